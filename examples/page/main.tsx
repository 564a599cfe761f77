import { createRoot } from 'react-dom/client'
import Page from './app/page.tsx'

const root = document.querySelector('#root')
if (root !== null) createRoot(root).render(<Page />)

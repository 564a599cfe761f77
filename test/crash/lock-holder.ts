/** A process that holds a database's write lock for a while: `node lock-holder.ts <file> <ms>`. Says `held` and `released`. */
import Connection from 'libsql'

const [file = '', ms = '0'] = process.argv.slice(2)
const db = new Connection(file)
db.exec('BEGIN IMMEDIATE')
process.stdout.write('held\n')
setTimeout(() => {
  db.exec('COMMIT')
  process.stdout.write('released\n')
}, Number(ms))

/** PDFs of pages that take long to read: valid, small, and each different. */

/** How heavy a document is. */
export interface HeavyOptions {
  readonly pages: number
  /** Pieces of text a page; a thousand take about 10 ms of CPU to read. */
  readonly weight: number
  /** Another number makes another document. */
  readonly seed: number
}

/** Lines of a psych sheet, by the places of their columns: a document that is none is judged by its first pages. */
function printedRows(seed: number): string {
  const rows = Array.from({ length: 20 }, (_, at) => [
    `${at + 1}`,
    `Quill${seed}, Ada`,
    '12',
    'Sample Club-XX',
    `1:${at + 10}.32`,
  ])
  const lines = [
    [`Event ${seed + 1}  Girls 11-12 100 Yard Freestyle`],
    ['', 'Name', 'Age', 'Team', 'Seed Time'],
    ...rows,
  ]
  const shown = lines.flatMap((cells, line) =>
    cells.map((cell, at) => `1 0 0 1 ${[30, 50, 200, 230, 400][at]} ${760 - 12 * line} Tm (${cell}) Tj`),
  )
  return shown.join('\n')
}

/** Makes one. All pages share what they show. */
export function heavyPdf({ pages, weight, seed }: HeavyOptions): Uint8Array {
  const heavy = '(Quill, Ada) Tj 1 -1 Td '.repeat(weight)
  const content = `BT /F1 8 Tf ${printedRows(seed)} 1 0 0 1 10 300 Tm ${heavy}ET`
  const kids = Array.from({ length: pages }, (_, i) => `${i + 5} 0 R`).join(' ')
  const page =
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 3 0 R /Resources << /Font << /F1 4 0 R >> >> >>'
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Kids [${kids}] /Count ${pages} >>`,
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    ...Array.from({ length: pages }, () => page),
  ]
  let text = '%PDF-1.4\n'
  const offsets = objects.map((object, at) => {
    const offset = text.length
    text += `${at + 1} 0 obj\n${object}\nendobj\n`
    return offset
  })
  const rows = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('')
  const trailer = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${text.length}\n%%EOF\n`
  return Buffer.from(`${text}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}${trailer}`, 'latin1')
}

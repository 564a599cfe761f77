/** Names that their column cuts, whose last letter touches the age, beside sheets that print a letter before every age. */
import { expect, it } from 'vitest'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { headOf, type PrintedLine, readPrinted, widthOf } from '../../../support/printed-sheets.ts'

/** A narrow column: names begin at 42, ages end at 120, where the heading stands. */
const HEADINGS: PrintedLine = [
  [42, 'Name'],
  [120, 'Age', 'right'],
  [126, 'Team'],
  [230, 'Seed Time', 'right'],
]

/** A row whose name, as a text layer gives it, runs on into its age. */
function touching(rank: number, name: string, age: string): PrintedLine {
  return [
    [30, String(rank), 'right'],
    [120, `${name}${age}`, 'right'],
    [126, 'MILL'],
    [230, `1:0${rank}.11`, 'right'],
  ]
}

function row(rank: number, name: string, age: string): PrintedLine {
  return [
    [30, String(rank), 'right'],
    [42, name],
    [120, age, 'right'],
    [126, 'MILL'],
    [230, `1:0${rank}.11`, 'right'],
  ]
}

const psych = (event: string, rows: readonly PrintedLine[]) => [
  [...headOf({ title: 'Psych Sheet' }), [[20, event]] as PrintedLine, HEADINGS, ...rows],
]

const names = [
  'Sedgemoor, Oriane A',
  'Van Herk, Isolde S',
  "O'Dell, Marguerite M",
  'Quill-Reed, Ada Wil',
  'Ibañez, María de la',
  'Weir, Jean-Mich',
  'Teal, Bernadet K',
  'Wren, Wilhelmin X',
  'Reed, Philippa G',
]

it('gives a letter that touches the age to the name, whatever letter it is', async () => {
  const { sheet, reading } = await readPrinted(
    psych(
      '#3 Girls 13-14 100 Yard Butterfly',
      names.map((name, i) => touching(i + 1, name, '13')),
    ),
  )
  expect(sheet.entries.map(({ name, age, team }) => [name, age, team])).toEqual(names.map((name) => [name, 13, 'MILL']))
  expect(sheet.entries.every(({ full }) => full)).toBe(true)
  expect(reading.leftovers).toEqual([])
  expect(findSwimmer(sheet, 'Isolde Sophia van Herk').events).toMatchObject([
    { age: 13, swimmerName: 'Isolde S Van Herk' },
  ])
})

it('does so in a mixed event too, where only some rows have a letter there', async () => {
  const rows = [
    row(1, 'Reed, Bo', '12'),
    row(2, 'Quill, Ada', '13'),
    touching(3, "O'Dell, Marguerite M", '13'),
    row(4, 'Teal, Dov', '12'),
  ]
  const { sheet } = await readPrinted(psych('#3 Mixed 12-14 100 Yard Butterfly', rows))
  expect(sheet.entries.map(({ name }) => name)).toEqual(['Reed, Bo', 'Quill, Ada', "O'Dell, Marguerite M", 'Teal, Dov'])
})

it('knows the letters before ages of a mixed event as marks, also where a name touches one', async () => {
  const rows = [row(1, 'Reed, Bo', 'M12'), row(2, 'Quill, Ada', 'W13'), touching(3, 'Sedgemoor, Oriane A', 'W13')]
  const { sheet } = await readPrinted(psych('#3 Mixed 12-14 100 Yard Butterfly', rows))
  expect(sheet.entries.map(({ name, age, full }) => [name, age, full])).toEqual([
    ['Reed, Bo', 12, undefined],
    ['Quill, Ada', 13, undefined],
    ['Sedgemoor, Oriane A', 13, true],
  ])
})

it('leaves a para class beside an age in peace', async () => {
  const { sheet } = await readPrinted(psych('#3 Girls 13-14 100 Yard Butterfly', [row(1, 'Quill, Ada S9', '13')]))
  expect(sheet.entries).toMatchObject([{ name: 'Quill, Ada S9', age: 13 }])
  expect(findSwimmer(sheet, 'Ada Quill').events).toHaveLength(1)
})

it('gives the letter to a leg of a relay, and knows the marks of mixed relays', async () => {
  const team = (number: number, legs: readonly string[]): PrintedLine[] => [
    [
      [30, String(number), 'right'],
      [42, 'Millpond'],
      [126, 'A'],
      [230, '1:50.00', 'right'],
    ],
    [
      [42, `1) ${legs[0]}`],
      [60 + widthOf(`1) ${legs[0]}`), `2) ${legs[1]}`],
    ],
  ]
  const headings: PrintedLine = [
    [42, 'Team'],
    [120, 'Relay'],
    [230, 'Seed Time', 'right'],
  ]
  const relay = (event: string, rows: PrintedLine[]): PrintedLine[] => [[[20, event]], headings, ...rows]
  const { sheet } = await readPrinted([
    [
      ...headOf({ title: 'Psych Sheet' }),
      ...relay('#1 Girls 13-14 200 Yard Medley Relay', team(1, ['Quill, Adam13', 'Teal, Dora W13'])),
      ...relay('#2 Mixed 13-14 200 Yard Medley Relay', team(1, ['Quill, Ada W13', 'Reed, Bo M14'])),
    ],
  ])
  expect(sheet.entries.map(({ name, age }) => [name, age])).toEqual([
    ['Quill, Adam', 13],
    ['Teal, Dora W', 13],
    ['Quill, Ada', 13],
    ['Reed, Bo', 14],
  ])
})

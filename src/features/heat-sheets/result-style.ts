/** Style sheet of the page of a result: readable at arm's length on a phone, and printed on one sheet of paper. */

/** Rows beyond which the print has two columns. */
export const MANY_ROWS = 14

export const RESULT_STYLE = `
body{margin-top:1.5rem}h1{margin-bottom:.3rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem;border-bottom:1px solid}
.swims{list-style:none;padding:0;margin:0}
.swims>li{display:grid;grid-template-columns:6.5rem 1fr;gap:0 1rem;padding:.6rem 0;border-bottom:1px solid #8884;break-inside:avoid}
main .swims p{margin:0;white-space:normal}
.start{font-size:2rem;line-height:1.1;font-weight:700;font-variant-numeric:tabular-nums}
.start small{display:block;font-size:.85rem;font-weight:400}
.place{font-size:1.25rem;font-weight:600}
.calendar a{display:inline-block;padding:.5rem 1rem;margin:0 .5rem .5rem 0;border:1px solid;border-radius:.5rem;text-decoration:none}
@page{margin:12mm}
@media print{body{font-size:10pt;line-height:1.25;padding:0}.calendar{display:none}h1{font-size:15pt;margin:0}h2{font-size:11pt;margin:.5rem 0 0;break-after:avoid}
.facts{color:#000;font-size:8.5pt}.swims>li{padding:.2rem 0;grid-template-columns:4.5rem 1fr;gap:0 .5rem}.start{font-size:15pt}.start small{font-size:7.5pt}.place{font-size:11pt}
.many{columns:2;column-gap:8mm}}`

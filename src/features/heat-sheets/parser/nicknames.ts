/** Given names and their common short forms. They lead only to suggestions, never to a match. */

/** Groups of forms of a name, each of which begins with the full form. */
const GROUPS = `
abigail abby gail|abraham abe|adelaide addie ada|albert al bert bertie|alejandro alex ale jandro|alexander alex xander sasha alec sandy
alexandra alex sandra sasha lexi alexa ali|alfred alf fred|alice ali|allison alli allie ali|amanda mandy|amelia amy millie|andrea andi
andrew andy drew|angela angie|anna ann annie anya|anthony tony|antonio tony toni|arthur art|augustus gus august|barbara barb babs
beatrice bea trixie|benjamin ben benny benji|bernadette bernie|brandon bran|bradley brad|brittany britt|cameron cam|carolyn carrie
caroline carrie caro|cassandra cass cassie|catherine cathy cate cat katie kate|charles charlie chuck chas|charlotte charlie lottie char
christina chris tina christy|christine chris tina christy|christopher chris topher kit|clara claire|clarence clare|cynthia cindy
daniel dan danny|danielle dani|david dave davey|deborah deb debbie|dominic dom nick|dorothy dot dottie dora|douglas doug|edward ed eddie ted ned
eleanor ellie nora nell lena|elizabeth liz lizzie beth betsy eliza libby lisa ellie|emily em emmy|emma em emmy|eugene gene|evangeline eva eve
evelyn eve evie|ezekiel zeke|florence flo|frances fran frankie|francis frank fran|francisco paco pancho frank cisco|franklin frank
frederick fred freddie|gabriel gabe|gabriella gabby ella|genevieve gen eve|geoffrey geoff jeff|george georgie|gerald gerry jerry|gregory greg
guadalupe lupe|guillermo memo will|gwendolyn gwen|hannah anna|harold harry hal|harriet hattie|henry hank harry|ignacio nacho|isabella bella izzy isa
isabel izzy bella isa|jacob jake|jacqueline jackie|james jim jimmy jamie|jason jay|jeffrey jeff|jennifer jen jenny|jeremiah jerry jeremy|jessica jess jessie
jesus chuy|joanna jo joan|john jack johnny jon|jonathan jon jonny nathan|jose pepe|joseph joe joey|josephine jo josie|joshua josh|juan juanito|judith judy
julia julie jules|juliana julie jules|katherine kate katie kathy kat kit|kathleen kathy katie|katrina kat trina|kenneth ken kenny|kimberly kim|lawrence larry
leonard leo len lenny|leonardo leo|lillian lily lil|louis lou louie|louisa lou|lucille lucy|madeleine maddie|madeline maddie|madison maddie|magdalena lena maggie
manuel manny|margaret maggie meg peggy greta marge|maria mary mia|martin marty|matthew matt matty|maximilian max|maxwell max|melanie mel|melissa mel missy
michael mike mikey mick|michelle shelly|miguel mike|mitchell mitch|mohammed mo|nancy nan|natalie nat|nathan nate|nathaniel nate nat nathan|nicholas nick nicky nico
nicole nikki nicky|oliver ollie|olivia liv livvy|pamela pam|patricia pat patty tricia trish|patrick pat paddy|penelope penny|peter pete|philip phil|phillip phil
rachel rach|raymond ray|rebecca becca becky|reginald reg reggie|richard rick ricky dick rich|robert rob bob bobby robbie bert|roberto beto rob|roland rollie
ronald ron ronnie|rosemary rose rosie|russell russ|samantha sam sammy|samuel sam sammy|sandra sandy|sarah sally sadie|sebastian seb bash|sophia sophie|stephanie steph
stephen steve stevie steph|steven steve stevie|susan sue susie|suzanne sue suzy|sydney syd|tabitha tabby|theodore theo ted teddy|theresa terri tess|thomas tom tommy
timothy tim timmy|tobias toby|valerie val|vanessa nessa|veronica ronnie|victor vic|victoria vicky tori|vincent vince vinnie|virginia ginny|walter walt wally
wesley wes|wilhelmina mina willa billie|william will bill billy liam willie|zachary zach zack|zoe zo
`

const groups = new Map<string, Set<number>>()
for (const [i, group] of GROUPS.trim().split(/[|\n]/).entries()) {
  for (const name of group.trim().split(' ')) groups.set(name, (groups.get(name) ?? new Set()).add(i))
}

/** Checks whether two given names, folded, are forms of one. */
export function areNicknames(one: string, other: string): boolean {
  const [ones, others] = [groups.get(one), groups.get(other)]
  return one !== other && ones !== undefined && others !== undefined && [...ones].some((group) => others.has(group))
}

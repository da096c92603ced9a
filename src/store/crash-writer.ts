// Writes as fast as it can until it is killed, and says in a file (descriptor 3) what was acknowledged: the
// other half of crash.test.ts. A file, since writes to it are synchronous: none stays behind in the dead process.
import { writeSync } from 'node:fs'
import { settle } from '../base/clock.ts'
import { openEmbeddedStore } from './index.ts'

/** A value tells what it should be: damage or a mix of two writes shows. */
export function crashValue(key: string, count: number): Uint8Array {
  return new TextEncoder().encode(`${key} ${count} `.repeat(20 + ((count * 37) % 300)))
}

export const readCount = (value: Uint8Array) => Number(new TextDecoder().decode(value.subarray(0, 64)).split(' ')[1])

/** Arguments: the directory, whether to compact too, the last acknowledged count of each key, when to ask for death. */
const [directory, compacts, counts, lines] = process.argv.slice(2)
if (import.meta.main) {
  const store = await openEmbeddedStore(directory!)
  const known = JSON.parse(counts!) as Record<string, number>
  let said = 0
  const acknowledge = (line: string) => {
    writeSync(3, line)
    if (++said === Number(lines)) process.stdout.write('enough')
  }
  const writer = async (key: string) => {
    const before = await store.get(key)
    // The count of an absent key is that of its delete, the next multiple of ten after what was acknowledged.
    let count = before ? readCount(before.value) : Math.ceil((known[key] ?? 0) / 10) * 10
    for (let expect = before?.revision ?? ('absent' as number | 'absent'); ; ) {
      count++
      // Every tenth write is a delete and a new start of the key; the count goes on.
      if (count % 10 === 0 && expect !== 'absent') {
        const gone = await store.delete(key, { expect })
        acknowledge(`${key} ${count} ${gone} deleted\n`)
        expect = 'absent'
      } else {
        expect = await store.put(key, crashValue(key, count), { expect })
        acknowledge(`${key} ${count} ${expect}\n`)
      }
    }
  }
  for (let i = 0; i < 16; i++) void writer(`/key/${i}`)
  while (compacts === 'compact') {
    await store.compact(Math.max(0, (await store.revision()) - 20))
    await settle(1)
  }
}

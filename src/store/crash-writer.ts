// The child process of crash.test.ts: writes as fast as it can until it is killed, and records in a file, open as
// descriptor 3, what was acknowledged. Writes to a file are synchronous, so no record is lost in the dead process.
import { writeSync } from 'node:fs'
import { settle } from '../base/clock.ts'
import { openEmbeddedStore } from './index.ts'

/** A value that can be derived from key and count, so that damage or a mix of two writes is noticed. */
export function crashValue(key: string, count: number): Uint8Array {
  return new TextEncoder().encode(`${key} ${count} `.repeat(20 + ((count * 37) % 300)))
}

export const readCount = (value: Uint8Array) => Number(new TextDecoder().decode(value.subarray(0, 64)).split(' ')[1])

/** Arguments: directory, whether to compact, last acknowledged count of each key, lines after which to be killed. */
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
    // The count of an absent key is that of its deletion: the next multiple of ten after the acknowledged count.
    let count = before ? readCount(before.value) : Math.ceil((known[key] ?? 0) / 10) * 10
    for (let expect = before?.revision ?? ('absent' as number | 'absent'); ; ) {
      count++
      // Every tenth write deletes the key, which is then created again. The count goes on.
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

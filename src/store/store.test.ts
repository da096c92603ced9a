import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { storeContract } from './contract.ts'
import { openEmbeddedStore, openMemoryStore } from './index.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-store-'))
let opened = 0
after(() => rmSync(scratch, { recursive: true }))

storeContract('memory', async () => openMemoryStore())
storeContract('embedded', () => openEmbeddedStore(join(scratch, `${opened++}`)))

// Encryption at rest of a cluster: its own key in `pki/`, and the file that the command line names.
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { replaceFile } from '../base/files.ts'
import { followFile } from '../base/follow-file.ts'
import { secretBytes } from '../base/random.ts'
import type { Log } from '../base/log.ts'
import { Encryption, parseEncryption } from '../apiserver/index.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { readIfThere, readText } from './files.ts'

const keyBytes = 32

type Chosen = Pick<ClusterConfig, 'encryptionConfig' | 'encryptionReload'>

/** Opens the providers, and follows the file if that is wanted. Throws when a file has mistakes. */
export async function openEncryption(
  { encryptionConfig: file, encryptionReload }: Chosen,
  paths: Pick<ClusterPaths, 'encryptionKey'>,
  around: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<Encryption> {
  const { clock, log, signal } = around
  const encryption = new Encryption({
    ownKey: { name: 'kutter', secret: await ownKey(paths.encryptionKey) },
    clock,
    log,
  })
  signal.addEventListener('abort', () => encryption.close(), { once: true })
  if (!file) return encryption
  const text = await readText(file)
  await encryption.use(parseEncryption(text, file))
  if (encryptionReload) void followFile(file, text, next => encryption.use(parseEncryption(next, file)), around)
  return encryption
}

/** The key with which Secrets are encrypted, made once. Without it they cannot be read. */
async function ownKey(file: string): Promise<Buffer> {
  const text = await readIfThere(file)
  if (text !== undefined) {
    const key = Buffer.from(text.trim(), 'base64')
    if (key.length === keyBytes) return key
    throw new Error(`${file} is damaged: it must hold ${keyBytes} bytes in base64; restore a copy of it`)
  }
  const made = secretBytes(keyBytes)
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await replaceFile(file, `${made.toString('base64')}\n`, { mode: 0o600 })
  return made
}

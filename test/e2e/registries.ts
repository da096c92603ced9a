// Debian's docker-registry on loopback, and a push to it by HTTP requests as in the distribution specification.
import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { eachEntry } from '../../src/images/index.ts'
import { cannotRun, eventually } from './cluster.ts'

/** The reason why no registry can run here, or false. */
export const noRegistry =
  cannotRun || (existsSync('/usr/bin/docker-registry') ? false : 'docker-registry is not installed')

export interface Registry {
  /** `127.0.0.1:PORT`. */
  address: string
  close(): Promise<void>
}

/** Starts a registry on a port of loopback, with its files in `dir`. */
export async function startRegistry(dir: string, name: string, htpasswd?: string): Promise<Registry> {
  const port = await freePort()
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, name) } },
    http: { addr: `127.0.0.1:${port}` },
    ...(htpasswd && { auth: { htpasswd: { realm: 'test', path: join(dir, `${name}.htpasswd`) } } }),
  }
  if (htpasswd) writeFileSync(join(dir, `${name}.htpasswd`), `${htpasswd}\n`)
  // JSON is valid YAML.
  writeFileSync(join(dir, `${name}.yaml`), JSON.stringify(config))
  const registry = spawn('/usr/bin/docker-registry', ['serve', join(dir, `${name}.yaml`)], { stdio: 'ignore' })
  const ended = new Promise<void>(resolve => registry.once('exit', () => resolve()))
  const address = `127.0.0.1:${port}`
  await eventually('the registry answers', async () => (await fetch(`http://${address}/v2/`)).status > 0, 10_000)
  return {
    address,
    async close() {
      if (registry.kill()) await ended
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Pushes the blobs and the manifest of the image with this digest from an OCI archive, with the tag 1. */
export async function push(
  file: string,
  digest: string,
  registry: string,
  name: string,
  headers: Record<string, string> = {},
): Promise<void> {
  const blobs = new Map<string, Buffer>()
  await eachEntry(file, async (path, _size, body) => {
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(chunk as Buffer)
    const found = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)
    if (found) blobs.set(`sha256:${found[1]}`, Buffer.concat(chunks))
  })
  const manifest = blobs.get(digest)!
  const { mediaType, config, layers } = JSON.parse(manifest.toString()) as {
    mediaType: string
    config: { digest: string }
    layers: { digest: string }[]
  }
  const send = async (method: string, url: string, body: Buffer | undefined, type: string) => {
    const answer = await fetch(url, {
      method,
      headers: { ...headers, 'content-type': type },
      ...(body && { body: new Uint8Array(body) }),
    })
    if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  const base = `http://${registry}/v2/${name}`
  for (const blob of [config, ...layers]) {
    const upload = await send('POST', `${base}/blobs/uploads/`, undefined, 'application/octet-stream')
    const place = new URL(upload.headers.get('location')!, base)
    place.searchParams.set('digest', blob.digest)
    await send('PUT', place.href, blobs.get(blob.digest), 'application/octet-stream')
  }
  await send('PUT', `${base}/manifests/1`, manifest, mediaType)
}

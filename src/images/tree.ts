// The files of an image before they are packed: a map from path to entry, so that later things replace earlier ones
// and the layer comes out the same whatever order they were added in.
import { createReadStream } from 'node:fs'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { gzipSync } from 'node:zlib'
import { extract, type Header, pack } from 'tar-stream'
import { StatusError } from '../base/errors.ts'

type Entry = { mode: number; owner: number; group: number } & (
  | { kind: 'file'; content: Buffer }
  | { kind: 'directory' }
  | { kind: 'symlink'; target: string }
)

// Documentation and tables of old character sets cost half of a small image; the copyright files stay, as licences ask.
const leftOut =
  /^usr\/lib\/[^/]+\/gconv\/|^usr\/share\/(?:man|locale|info|lintian|bug|doc-base|doc\/.*(?<!\/copyright)$)/
// Debian has one /usr: what packages put into /bin lies in /usr/bin, and /bin is a link to it.
const merged = /^(bin|sbin|lib|lib32|lib64|libx32)\//

export class Tree {
  readonly #entries = new Map<string, Entry>()

  /** Without leading slash, `/bin` led to where it lies. */
  static place(path: string): string {
    const parts = path.split('/').filter(part => part !== '' && part !== '.')
    if (parts.includes('..')) throw new StatusError('Invalid', `${path} must not contain ..`)
    return parts.join('/').replace(merged, 'usr/$1/')
  }

  get(path: string): Entry | undefined {
    return this.#entries.get(Tree.place(path))
  }

  has(path: string): boolean {
    return this.#entries.has(Tree.place(path))
  }

  put(path: string, entry: Entry): void {
    const place = Tree.place(path)
    if (place === '' || leftOut.test(place)) return
    // A directory that comes again, or under a merged name, keeps what is there.
    if (entry.kind === 'directory' && this.#entries.get(place)?.kind === 'symlink') return
    this.#entries.set(place, entry)
  }

  file(path: string, content: string | Buffer, mode = 0o644, owner = 0): void {
    this.put(path, { kind: 'file', content: Buffer.from(content), mode, owner, group: owner })
  }

  directory(path: string, mode = 0o755, owner = 0): void {
    this.put(path, { kind: 'directory', mode, owner, group: owner })
  }

  symlink(path: string, target: string): void {
    this.put(path, { kind: 'symlink', target, mode: 0o777, owner: 0, group: 0 })
  }

  /** Adds everything in a tar file. */
  async addTar(path: string): Promise<void> {
    const reader = extract()
    const reading = pipeline(createReadStream(path), reader)
    for await (const entry of reader) {
      const chunks: Buffer[] = []
      for await (const chunk of entry) chunks.push(chunk as Buffer)
      this.#addHeader(entry.header, Buffer.concat(chunks))
    }
    await reading
  }

  #addHeader(header: Header, content: Buffer): void {
    const meta = { mode: header.mode ?? 0o644, owner: header.uid ?? 0, group: header.gid ?? 0 }
    if (header.type === 'directory') {
      if (/^\.?\/?(?:bin|sbin|lib|lib32|lib64|libx32)\/?$/.test(header.name)) return
      this.put(header.name, { kind: 'directory', ...meta })
    } else if (header.type === 'symlink')
      this.put(header.name, { kind: 'symlink', target: header.linkname ?? '', ...meta })
    else if (header.type === 'file') this.put(header.name, { kind: 'file', content, ...meta })
    else if (header.type === 'link') {
      const original = this.get(header.linkname ?? '')
      if (original) this.put(header.name, original)
    } else
      throw new StatusError('Invalid', `${header.name}: a package with a ${header.type} cannot be part of an image`)
  }

  /** The layer: sorted, without times, so that the same files give the same bytes. */
  async pack(): Promise<{ tar: Buffer; gzip: Buffer }> {
    const packer = pack()
    const chunks: Buffer[] = []
    const collecting = (async () => {
      for await (const chunk of packer) chunks.push(chunk as Buffer)
    })()
    for (const [path, entry] of this.#withParents()) {
      const header = { name: path, mode: entry.mode & 0o7777, uid: entry.owner, gid: entry.group, mtime: new Date(0) }
      if (entry.kind === 'directory') packer.entry({ ...header, name: `${path}/`, type: 'directory' })
      else if (entry.kind === 'symlink') packer.entry({ ...header, type: 'symlink', linkname: entry.target })
      else packer.entry({ ...header, type: 'file', size: entry.content.length }, entry.content)
    }
    packer.finalize()
    await collecting
    const tar = Buffer.concat(chunks)
    return { tar, gzip: gzipSync(tar, { level: 6 }) }
  }

  #withParents(): [string, Entry][] {
    const all = new Map(this.#entries)
    for (const path of this.#entries.keys()) {
      for (let parent = dirname(path); parent !== '.' && !all.has(parent); parent = dirname(parent)) {
        all.set(parent, { kind: 'directory', mode: 0o755, owner: 0, group: 0 })
      }
    }
    return [...all].sort(([a], [b]) => (a < b ? -1 : 1))
  }
}

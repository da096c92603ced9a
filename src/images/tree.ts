// The files of an image before they are packed, as a map from path to entry: a later file replaces an earlier one of
// the same path, and the layer does not depend on the order in which different paths were added.
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

// Documentation and tables of old character sets would be half of a small image. Copyright files stay, since licences
// require it.
const leftOut =
  /^usr\/lib\/[^/]+\/gconv\/|^usr\/share\/(?:man|locale|info|lintian|bug|doc-base|doc\/.*(?<!\/copyright)$)/
// Debian has a merged /usr: files that packages have in /bin are in /usr/bin, to which /bin is a link.
const merged = /^(bin|sbin|lib|lib32|lib64|libx32)\//

export class Tree {
  readonly #entries = new Map<string, Entry>()

  /** The key of a path: without a leading slash, and with /bin and the like replaced by their place in /usr. */
  static keyOf(path: string): string {
    const parts = path.split('/').filter(part => part !== '' && part !== '.')
    if (parts.includes('..')) throw new StatusError('Invalid', `${path} must not contain ..`)
    return parts.join('/').replace(merged, 'usr/$1/')
  }

  get(path: string): Entry | undefined {
    return this.#entries.get(Tree.keyOf(path))
  }

  has(path: string): boolean {
    return this.#entries.has(Tree.keyOf(path))
  }

  /** Adds or replaces an entry, unless it is documentation. */
  put(path: string, entry: Entry): void {
    const key = Tree.keyOf(path)
    if (key === '' || leftOut.test(key)) return
    // A directory does not replace a link to one.
    if (entry.kind === 'directory' && this.#entries.get(key)?.kind === 'symlink') return
    this.#entries.set(key, entry)
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

  /** Adds all entries of a tar file. Throws Invalid for devices and other kinds that no package needs. */
  async addTar(path: string): Promise<void> {
    const reader = extract()
    const reading = pipeline(createReadStream(path), reader)
    // An entry that is refused ends it too, and its error is the one to report.
    reading.catch(() => {})
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

  /** Packs the layer, sorted and without times, so that the same files give the same bytes. */
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

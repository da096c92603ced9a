// The storage behind the driver of the end-to-end tests: directories, and files for block volumes, below one directory of
// the machine, which all nodes of the machine reach. Files in it make the driver misbehave, and a log has all calls:
//
//   volumes/ID/  or  volumes/ID.img   the data           meta/ID.json   size, kind, and the node that has it
//   calls.log                         each call          inline/ID/     volumes that belong to one pod
//   do/METHOD                         what the next calls of a method do: `crash` after the work, `hang`, `lie` without any work, or fail with the text
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Handler } from './csi-grpc.ts'

export interface Meta {
  id: string
  name: string
  bytes: number
  /** The size as the node has it. */
  nodeBytes: number
  isBlock: boolean
  node?: string | undefined
}

export class Storage {
  readonly root: string

  constructor(root: string) {
    this.root = root
    for (const dir of ['volumes', 'meta', 'inline', 'do']) mkdirSync(join(root, dir), { recursive: true })
  }

  dataOf = (id: string) => join(this.root, 'volumes', id)
  inlineOf = (id: string) => join(this.root, 'inline', id)

  read(id: string): Meta | undefined {
    const path = join(this.root, 'meta', `${id}.json`)
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Meta) : undefined
  }

  write(meta: Meta): void {
    const path = join(this.root, 'meta', `${meta.id}.json`)
    writeFileSync(`${path}.new`, JSON.stringify(meta))
    renameSync(`${path}.new`, path)
  }

  remove(id: string): void {
    rmSync(this.dataOf(id), { recursive: true, force: true })
    rmSync(join(this.root, 'meta', `${id}.json`), { force: true })
  }

  /** A handler that logs its calls, and misbehaves as a file says. */
  logged(method: string, where: string, work: Handler): Handler {
    return async request => {
      appendFileSync(join(this.root, 'calls.log'), `${JSON.stringify({ method, where, request })}\n`)
      const file = join(this.root, 'do', method)
      const order = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
      if (order === 'hang') return new Promise(() => {})
      if (order === 'lie') return {}
      if (order && order !== 'crash') throw new Error(order)
      const result = await work(request)
      if (order === 'crash') {
        rmSync(file)
        process.kill(process.pid, 'SIGKILL')
      }
      return result
    }
  }
}

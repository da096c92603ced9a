// Which container has which devices, on disk: a kubelet that starts gives no device to a second pod, and starts
// containers again with what the plugin has answered for them. The file is replaced as a whole. One that cannot be read
// counts as none, since a kubelet that does not start is of less use.
// Source: pkg/kubelet/cm/devicemanager/checkpoint.
import { readFile, stat } from 'node:fs/promises'
import { messageOf } from '../../base/errors.ts'
import { replaceFile, whenThere } from '../../base/files.ts'
import { type Answer, readAnswer } from './answer.ts'

/** The devices of one resource that a container has. */
export interface Allotment {
  readonly uid: string
  readonly container: string
  readonly resource: string
  readonly ids: readonly string[]
  /** Undefined until the plugin has answered. */
  readonly answer: Answer | undefined
}

interface Checkpoint {
  /** The resources that had a plugin. */
  readonly resources: readonly string[]
  readonly allotments: readonly Allotment[]
}

/** More than all pods of a node can have. */
const maxBytes = 64 * 1024 * 1024
const none: Checkpoint = { resources: [], allotments: [] }

/** Throws an error when the disk does. What no plugin has answered yet is left out. */
export async function writeCheckpoint(path: string, { resources, allotments }: Checkpoint): Promise<void> {
  const text = JSON.stringify({ resources, allotments: allotments.filter(({ answer }) => answer) })
  await replaceFile(path, text, { mode: 0o600, flush: true })
}

/** `problem` says why a file that is there counts as none. */
export async function readCheckpoint(path: string): Promise<Checkpoint & { problem?: string }> {
  try {
    return await whenThere(async () => {
      const { size } = await stat(path)
      if (size > maxBytes) throw new Error(`it has ${size} bytes, and may have ${maxBytes}`)
      return parseCheckpoint(JSON.parse(await readFile(path, 'utf8')))
    }, none)
  } catch (error) {
    return { ...none, problem: messageOf(error) }
  }
}

function parseCheckpoint(value: unknown): Checkpoint {
  const fields = fieldsOf(value)
  return {
    resources: textsOf(fields.get('resources')),
    allotments: listOf(fields.get('allotments')).map(item => {
      const allotment = fieldsOf(item)
      const text = (name: string) => {
        const found = allotment.get(name)
        if (typeof found !== 'string' || !found) throw new Error(`an entry has no ${name}`)
        return found
      }
      return {
        uid: text('uid'),
        container: text('container'),
        resource: text('resource'),
        ids: textsOf(allotment.get('ids')),
        answer: readAnswer(allotment.get('answer')),
      }
    }),
  }
}

const fieldsOf = (value: unknown) =>
  new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const textsOf = (value: unknown) => listOf(value).filter(item => typeof item === 'string')

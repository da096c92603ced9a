// GET /logs/…: the files below /var/log of the node, as lists and as text; and with `query` the log of a service of the
// node, of which a pattern or a number of lines may be asked for. The log of the kubelet is the one of this process.
// Source: kubernetes pkg/kubelet/kubelet_server_journal.go, KEP-2258 (node log query).
import { createReadStream } from 'node:fs'
import { open, readdir, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { RE2JS } from 're2js'
import { StatusError } from '../../base/errors.ts'
import { openBeneath } from '../../linux/index.ts'

const maxServices = 4
const maxTailLines = 100_000
/** Of a longer log, only the end is searched. */
const maxSearchedBytes = 64 * 2 ** 20
const maxListed = 10_000
const maxPattern = 1000

/** @param root /var/log */
export async function serveNodeLogs(
  root: string,
  path: string,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  if (query.has('query')) return answerQuery(root, query, response)
  const found = await openBeneath(root, path)
  try {
    if (found.isDirectory) {
      const entries = await readdir(found.path, { withFileTypes: true })
      const names = entries.map(entry => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'x-content-type-options': 'nosniff' })
      response.end(`<pre>\n${names.slice(0, maxListed).map(link).join('')}</pre>\n`)
      return
    }
    const file = await openFile(found.path)
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' })
    await pipeline(file.createReadStream(), response)
  } finally {
    await found.close()
  }
}

/** Opens a file, and nothing of which a read could wait, such as a pipe. */
async function openFile(path: string) {
  if (!(await stat(path)).isFile()) throw new StatusError('BadRequest', 'not a file or directory')
  return open(path, 'r')
}

const html: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' }
const link = (name: string) =>
  `<a href="${name.split('/').map(encodeURIComponent).join('/')}">${name.replace(/[&<>"']/g, c => html[c]!)}</a>\n`

interface Query {
  services: readonly string[]
  tailLines: number | undefined
  pattern: RE2JS | undefined
}

/** What a query asks for. Throws BadRequest with all that is wrong with it. */
export function queryOf(params: URLSearchParams): Query {
  const problems: string[] = []
  const services = params.getAll('query').filter(Boolean)
  if (!services.length) problems.push('query: Required value: query cannot be empty')
  if (services.length > maxServices)
    problems.push(`query: Too many: ${services.length}: must have at most ${maxServices} items`)
  for (const name of services)
    if (!/^[a-zA-Z0-9][a-zA-Z0-9@_.:-]*$/.test(name))
      problems.push(`query: Invalid value: ${JSON.stringify(name)}: not the name of a service`)
  for (const name of ['sinceTime', 'untilTime', 'boot'])
    if (params.has(name))
      problems.push(`${name}: Forbidden: only the journal of systemd has it, and logs here are files`)
  const tailLines = params.get('tailLines') || undefined
  if (tailLines !== undefined && (!/^\d+$/.test(tailLines) || Number(tailLines) > maxTailLines))
    problems.push(
      `tailLines: Invalid value: ${JSON.stringify(tailLines)}: must be between 0 and ${maxTailLines}, inclusive`,
    )
  const pattern = patternOf(params.get('pattern') ?? '', problems)
  if (problems.length) throw new StatusError('BadRequest', problems.join(', '))
  return { services, tailLines: tailLines === undefined ? undefined : Number(tailLines), pattern }
}

function patternOf(text: string, problems: string[]): RE2JS | undefined {
  if (!text) return undefined
  if (text.length > maxPattern) {
    problems.push(`pattern: Too long: may not be more than ${maxPattern} characters`)
    return undefined
  }
  try {
    return RE2JS.compile(text)
  } catch (error) {
    problems.push(
      `pattern: Invalid value: ${JSON.stringify(text)}: ${error instanceof Error ? error.message : 'invalid'}`,
    )
    return undefined
  }
}

async function answerQuery(root: string, params: URLSearchParams, response: ServerResponse): Promise<void> {
  const query = queryOf(params)
  const files = await Promise.all(query.services.map(name => logOf(root, name)))
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' })
  for (const file of files) for (const line of await linesOf(file, query)) response.write(`${line}\n`)
  response.end()
}

/** The log file of a service. Throws NotFound. */
async function logOf(root: string, name: string): Promise<string> {
  if (name === 'kubelet') {
    // What this process writes to its standard error, when that is a file.
    const own = await readlink('/proc/self/fd/2')
    if (own.startsWith('/') && (await stat(own)).isFile()) return own
  }
  for (const place of [`${name}.log`, `${name}/${name}.log`, name]) {
    const found = await stat(join(root, place)).catch(() => undefined)
    if (found?.isFile()) return join(root, place)
  }
  throw new StatusError('NotFound', `there is no log of ${name}`)
}

async function linesOf(file: string, { pattern, tailLines = maxTailLines }: Query): Promise<string[]> {
  const { size } = await stat(file)
  const start = Math.max(0, size - maxSearchedBytes)
  const lines: string[] = []
  // Lines beyond the number that is kept are dropped in blocks, which costs less than one by one.
  for await (const line of createInterface({ input: createReadStream(file, { start }), crlfDelay: Infinity })) {
    if (pattern && !pattern.matcher(line).find()) continue
    lines.push(line)
    if (lines.length > 2 * tailLines + 1000) lines.splice(0, lines.length - tailLines)
  }
  return tailLines === 0 ? [] : lines.slice(-tailLines)
}

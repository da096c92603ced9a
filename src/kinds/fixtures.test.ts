// YAML in, YAML out: what the API server makes of a short object of each kind that is completed. Each file of
// fixtures/ holds two documents: what a client sends, and what is answered, but for what differs from time to time.
import { deepStrictEqual } from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { openTestServer } from '../apiserver/testing.ts'
import type { Kind, KubeObject } from '../api/kind.ts'
import type { Draft } from '../api/schema/node.ts'
import { builtinKinds } from './all.ts'
import { ServiceAccount } from './core/serviceaccount.ts'

const folder = new URL('fixtures/', import.meta.url)

/** Without what no fixture can foresee. */
function comparable({ metadata, ...rest }: KubeObject): object {
  const { uid: _u, creationTimestamp: _c, resourceVersion: _r, managedFields: _m, name, ...more } = metadata
  const own = metadata.generateName ? more : { name, ...more }
  return JSON.parse(JSON.stringify({ ...rest, metadata: own }).replaceAll(metadata.uid!, 'UID')) as object
}

for (const file of readdirSync(folder).sort())
  test(`a new ${file.replace('.yaml', '')} is completed as its fixture says`, async t => {
    const documents = parseAllDocuments(readFileSync(new URL(file, folder), 'utf8'), { version: '1.1' })
    const [sent, expected] = documents.map(document => document.toJS() as Draft<KubeObject>)
    const kind = builtinKinds.find(k => k.apiVersion === sent!.apiVersion && k.kind === sent!.kind) as Kind
    const { admin } = await openTestServer(t)
    // The name of a pod's volume for its token is random.
    await admin.patch(ServiceAccount, 'default', 'merge', { automountServiceAccountToken: false })
    const made = await admin.create(kind, sent!, { options: { dryRun: true } })
    deepStrictEqual(comparable(made), expected)
  })

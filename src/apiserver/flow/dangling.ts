// Keeps the condition Dangling of FlowSchemas: whether the priority level that they name is missing.
// Source: apiserver pkg/util/flowcontrol/apf_controller.go (presyncFlowSchemaStatus).
import { Chore } from '../../base/chore.ts'
import { isReason } from '../../base/errors.ts'
import type { Serve } from '../../api/operation.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { timeText } from '../../api/time.ts'
import { FlowSchema } from '../../kinds/flowcontrol/flowschema.ts'
import { PriorityLevelConfiguration } from '../../kinds/flowcontrol/prioritylevelconfiguration.ts'
import type { ServerCore } from '../core.ts'
import { self } from '../self.ts'

const manager = 'api-priority-and-fairness-config-consumer-v1'
const firstRetryMs = 200
const maxRetryMs = 60_000

/** Writes the condition of every FlowSchema where it is not true to the facts, until the returned function is called. */
export function keepDangling({ storage, clock, log }: ServerCore, serve: Serve): () => Promise<void> {
  const ending = new AbortController()
  const schemas = storage.mirror(FlowSchema)
  const levels = storage.mirror(PriorityLevelConfiguration)
  const failed = (error: unknown) => log.warn('the status of a FlowSchema is not written', { error })
  const retry = { clock, firstMs: firstRetryMs, maxMs: maxRetryMs, failed }
  const chore = new Chore({ signal: ending.signal, retry }, async () => {
    for (const schema of schemas.list()) {
      if (ending.signal.aborted) return
      const condition = danglingOf(
        schema,
        levels.get(undefined, schema.spec.priorityLevelConfiguration.name) !== undefined,
      )
      if (condition) await write(serve, schema, { ...condition, lastTransitionTime: timeText(clock.now()) })
    }
  })
  const stops = [schemas, levels].map(mirror => mirror.subscribe(() => chore.wake(), 'dangling flow schemas'))
  chore.wake()
  return async () => {
    for (const stop of stops) stop()
    ending.abort()
    await chore.settled()
  }
}

/** The condition that a schema should have; undefined if it has it. */
function danglingOf({ spec, status }: FlowSchema, exists: boolean): JsonObject | undefined {
  const what = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(spec.priorityLevelConfiguration.name)}`
  const wanted = exists
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${what} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${what} but there is no such object` }
  const has = status.conditions?.find(({ type }) => type === 'Dangling')
  const isSame = has?.status === wanted.status && has.reason === wanted.reason && has.message === wanted.message
  return isSame ? undefined : wanted
}

async function write(serve: Serve, { metadata }: FlowSchema, condition: JsonObject): Promise<void> {
  const { name = '' } = metadata
  const { apiVersion, kind } = FlowSchema
  const body: JsonObject = { apiVersion, kind, metadata: { name }, status: { conditions: [condition] } }
  try {
    await serve({
      verb: 'patch',
      patchType: 'apply',
      kind: FlowSchema,
      subresource: 'status',
      namespace: '',
      name,
      user: self,
      options: { fieldManager: manager, force: true },
      body,
    })
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}

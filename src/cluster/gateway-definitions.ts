// What a cluster with `--gateway` has of Gateway API: the definitions, and the class that its nodes serve.
import { isReason, messageOf } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { CustomResourceDefinition } from '../kinds/apiextensions/customresourcedefinition.ts'
import { bundleAnnotation, bundleVersion, type GatewayDefinition } from '../kinds/gateway/definition.ts'
import { gatewayDefinitions } from '../kinds/gateway/definitions.ts'
import { GatewayClass, gatewayController } from '../kinds/gateway/gatewayclass.ts'
import { isEstablished } from '../kinds/custom/kind.ts'

const className = 'kutter'

/**
 * Creates what is missing. Definitions of other releases stay: their objects may need them. A failure is logged, since
 * the rest of the cluster does without. Returns whether all kinds are served.
 */
export async function keepGatewayKinds(admin: Client, signal: AbortSignal): Promise<boolean> {
  try {
    const served = await Promise.all(gatewayDefinitions.map(one => keepDefinition(admin, one, signal)))
    await keepClass(admin)
    return served.every(Boolean)
  } catch (error) {
    signal.throwIfAborted()
    admin.log.error('cannot create the kinds of Gateway API', { why: messageOf(error) })
    return false
  }
}

async function keepClass(admin: Client): Promise<void> {
  if (await admin.find(GatewayClass, { name: className })) return
  try {
    await admin.create(GatewayClass, { metadata: { name: className }, spec: { controllerName: gatewayController } })
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error
  }
}

const pauseMs = 20
/** How long a definition may take until it is served. One whose names another has never is. */
const patienceMs = 10_000

/** Whether the kind is served, which may take a moment. */
async function keepDefinition(admin: Client, definition: GatewayDefinition, signal: AbortSignal): Promise<boolean> {
  const { name } = definition.metadata
  const found = await admin.find(CustomResourceDefinition, { name })
  if (!found) await createOnce(admin, definition)
  else if (found.metadata.annotations?.[bundleAnnotation] !== bundleVersion)
    admin.log.info('a definition is of another release of Gateway API, and stays', { name })
  for (const until = admin.clock.steady() + patienceMs; admin.clock.steady() < until; ) {
    const now = await admin.find(CustomResourceDefinition, { name })
    if (!now) return false
    if (isEstablished(now)) return true
    await admin.clock.sleep(pauseMs, signal)
  }
  admin.log.error('a definition of Gateway API is not served', { name })
  return false
}

async function createOnce(admin: Client, definition: GatewayDefinition): Promise<void> {
  try {
    await admin.create(CustomResourceDefinition, definition)
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error
  }
}

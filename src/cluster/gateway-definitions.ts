// What a cluster with `--gateway` has of Gateway API: the definitions, and the class that its nodes serve.
import { isReason } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { CustomResourceDefinition } from '../kinds/apiextensions/customresourcedefinition.ts'
import { bundleAnnotation, bundleVersion, type GatewayDefinition } from '../kinds/gateway/definition.ts'
import { gatewayDefinitions } from '../kinds/gateway/definitions.ts'
import { GatewayClass, gatewayController } from '../kinds/gateway/gatewayclass.ts'
import { isEstablished } from '../kinds/custom/kind.ts'

const className = 'kutter'

/** Creates what is missing. Definitions of other releases stay: their objects may need them. */
export async function keepGatewayKinds(admin: Client, signal: AbortSignal): Promise<void> {
  await Promise.all(gatewayDefinitions.map(one => keepDefinition(admin, one, signal)))
  if (await admin.find(GatewayClass, { name: className })) return
  try {
    await admin.create(GatewayClass, { metadata: { name: className }, spec: { controllerName: gatewayController } })
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error
  }
}

const pauseMs = 20

/** Resolves when the kind is served. */
async function keepDefinition(admin: Client, definition: GatewayDefinition, signal: AbortSignal): Promise<void> {
  const { name } = definition.metadata
  const found = await admin.find(CustomResourceDefinition, { name })
  if (!found) await admin.create(CustomResourceDefinition, definition)
  else if (found.metadata.annotations?.[bundleAnnotation] !== bundleVersion)
    admin.log.info('a definition is of another release of Gateway API, and stays', { name })
  for (;;) {
    const now = await admin.find(CustomResourceDefinition, { name })
    if (!now || isEstablished(now)) return
    await admin.clock.sleep(pauseMs, signal)
  }
}

// All definitions of gateway.networking.k8s.io that a cluster gets.
import { gatewayDefinition } from './gateway.ts'
import { gatewayClassDefinition } from './gatewayclass.ts'
import { grpcRouteDefinition } from './grpcroute.ts'
import { httpRouteDefinition } from './httproute.ts'
import { referenceGrantDefinition } from './referencegrant.ts'
import { tlsRouteDefinition } from './tlsroute.ts'

export const gatewayDefinitions = [
  gatewayClassDefinition,
  gatewayDefinition,
  httpRouteDefinition,
  grpcRouteDefinition,
  tlsRouteDefinition,
  referenceGrantDefinition,
]

// Probes and the hooks of a container's life: each has exactly one handler.
// Source: pkg/apis/core/validation (validateProbe, validateHandler, validateLifecycle).
import { named, notNegative, type Problems, present, supported, validatePort } from '../../api/checks.ts'
import { headerErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { Container } from './container.ts'
import type { HTTPGetAction, Lifecycle, LifecycleHandler, Probe, ProbeHandler } from './probe.ts'
import { stopSignals } from './signals.ts'

type Handler = ProbeHandler & LifecycleHandler

/** What a pod says that its containers' hooks depend on. */
export interface Ending {
  /** Seconds a pod has to stop; undefined where that is itself wrong. */
  graceSeconds: number | undefined
  os?: string
}

/** The three probes of a container that may have some. */
export function* validateProbes(container: Container, ending: Ending, at: Path): Problems {
  const { livenessProbe, readinessProbe, startupProbe } = container
  if (livenessProbe) yield* validateProbe(livenessProbe, ending, true, at.field('livenessProbe'))
  if (readinessProbe) {
    const path = at.field('readinessProbe')
    yield* validateProbe(readinessProbe, ending, false, path)
    const { terminationGracePeriodSeconds: seconds } = readinessProbe
    if (seconds !== undefined)
      yield path.field('terminationGracePeriodSeconds').invalid(seconds, 'must not be set for readinessProbes')
  }
  if (startupProbe) yield* validateProbe(startupProbe, ending, true, at.field('startupProbe'))
}

function* validateProbe(probe: Probe, ending: Ending, once: boolean, at: Path): Problems {
  yield* validateHandler(probe, ending, at)
  const { initialDelaySeconds, timeoutSeconds, periodSeconds, successThreshold, failureThreshold } = probe
  yield* notNegative({ initialDelaySeconds, timeoutSeconds, periodSeconds, successThreshold, failureThreshold }, at)
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0)
    yield at.field('terminationGracePeriodSeconds').invalid(grace, 'must be greater than 0')
  if (once && successThreshold !== 1) yield at.field('successThreshold').invalid(successThreshold, 'must be 1')
}

/** What runs at the start and at the stop. */
export function* validateLifecycle(lifecycle: Lifecycle, ending: Ending, at: Path): Problems {
  if (lifecycle.postStart) yield* validateHandler(lifecycle.postStart, ending, at.field('postStart'))
  if (lifecycle.preStop) yield* validateHandler(lifecycle.preStop, ending, at.field('preStop'))
  if (lifecycle.stopSignal === undefined) return
  if (!ending.os) yield at.field('stopSignal').forbidden('may not be set for containers with empty `spec.os.name`')
  else yield* supported(lifecycle.stopSignal, [...stopSignals].sort(), at.field('stopSignal'))
}

const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const

function* validateHandler(handler: Handler, ending: Ending, at: Path): Problems {
  const given = handlers.filter(field => handler[field])
  if (!given.length) yield at.required('must specify a handler type')
  for (const field of given.slice(1)) yield at.field(field).forbidden('may not specify more than 1 handler type')
  const path = at.field(given[0] ?? '')
  switch (given[0]) {
    case undefined:
      return
    case 'exec':
      return yield* present(handler.exec!.command ?? [], path.field('command'))
    case 'httpGet':
      return yield* validateRequest(handler.httpGet!, path)
    case 'tcpSocket':
    case 'grpc':
      return yield* validatePort(handler[given[0]]!.port, path.field('port'))
    case 'sleep':
      yield* validateSleep(handler.sleep!.seconds, ending, path)
  }
}

function* validateRequest({ path, port, scheme, httpHeaders }: HTTPGetAction, at: Path): Problems {
  yield* present(path, at.field('path'))
  yield* validatePort(port, at.field('port'))
  yield* supported(scheme, ['HTTP', 'HTTPS'], at.field('scheme'))
  for (const { name } of httpHeaders ?? []) yield* named(headerErrors, name, at.field('httpHeaders'))
}

function* validateSleep(seconds: number, { graceSeconds }: Ending, at: Path): Problems {
  if (graceSeconds !== undefined && (seconds < 0 || seconds > graceSeconds))
    yield at.invalid(seconds, `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`)
}

// The health of the devices of drivers, as they report it. What a driver has not reported for a while is unknown.
// Source: pkg/kubelet/cm/dra/healthinfo.go.
import type { HealthReport } from './calls.ts'

export interface DeviceHealth {
  readonly health: 'Healthy' | 'Unhealthy' | 'Unknown'
  readonly message: string
}

interface Reported extends DeviceHealth {
  readonly at: number
  readonly timeoutMs: number
}

/** How long a report counts that does not say it. Source: DefaultHealthTimeout. */
const defaultTimeoutMs = 30_000
/** The most characters of a message. Source: ResourceHealthMessageMaxLength. */
const maxMessage = 1024
/** The most devices of a driver. */
const maxDevices = 65_536
const words = { UNKNOWN: 'Unknown', HEALTHY: 'Healthy', UNHEALTHY: 'Unhealthy' } as const

export class DriverHealth {
  /** By driver, and by `POOL/DEVICE`. */
  readonly #reported = new Map<string, Map<string, Reported>>()

  /** Takes over a report. Returns the devices, as `POOL/DEVICE`, of which it has news. Throws when there are too many. */
  update(driver: string, report: HealthReport, now: number): Set<string> {
    if (report.devices.length > maxDevices)
      throw new Error(`the driver reports ${report.devices.length} devices, and may report ${maxDevices}`)
    const before = this.#reported.get(driver) ?? new Map<string, Reported>()
    const next = new Map<string, Reported>()
    for (const { device, health, healthCheckTimeoutSeconds: seconds, message } of report.devices)
      next.set(`${device?.poolName}/${device?.deviceName}`, {
        // A number without a name is one that a newer driver may send.
        health: words[health] ?? 'Unknown',
        message: message.length > maxMessage ? `${message.slice(0, maxMessage - 3)}...` : message,
        at: now,
        timeoutMs: seconds > 0 ? seconds * 1000 : defaultTimeoutMs,
      })
    // What is not in the report keeps its health until that is too old.
    for (const [device, reported] of before)
      if (next.size < maxDevices && !next.has(device) && now - reported.at <= reported.timeoutMs)
        next.set(device, reported)
    this.#reported.set(driver, next)
    const isNews = (device: string) => {
      const [old, now] = [before.get(device), next.get(device)]
      return old?.health !== now?.health || old?.message !== now?.message
    }
    return new Set([...before.keys(), ...next.keys()].filter(isNews))
  }

  /** To be called when a driver reports no more. Returns the devices of which nothing is known any more. */
  clear(driver: string): Set<string> {
    const devices = new Set(this.#reported.get(driver)?.keys())
    this.#reported.delete(driver)
    return devices
  }

  of(driver: string, device: string, now: number): DeviceHealth {
    const found = this.#reported.get(driver)?.get(device)
    return found && now - found.at <= found.timeoutMs ? found : { health: 'Unknown', message: '' }
  }
}

// Counts how often a configuration file was read again while the server runs, and shows which one is in effect.
// Source: apiserver pkg/server/options/authenticationconfig/metrics, authorizationconfig/metrics. Upstream has no such
// metrics of audits, whose names are Kutter's own.
import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { counter, gauge } from '../base/metrics.ts'

interface Reloads {
  /** Runs what takes a new text into effect, and counts how it ended. */
  count(text: string, use: () => void | Promise<void>): Promise<void>
  /** Shows the text that is in effect. */
  show(text: string): void
}

const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`

const prefixes = {
  authentication: 'apiserver_authentication_config_controller',
  authorization: 'apiserver_authorization_config_controller',
  audit: 'kutter_audit_policy',
} as const

/** @param identity by which servers of one cluster differ */
export function reloadsOf(what: keyof typeof prefixes, identity: string, clock: Clock): Reloads {
  const server = { apiserver_id_hash: sha256(identity) }
  const prefix = prefixes[what]
  const total = counter(`${prefix}_automatic_reloads_total`, `How often the file of ${what} was read again.`)
  const last = gauge(
    `${prefix}_automatic_reload_last_timestamp_seconds`,
    `When the file of ${what} was last read again, as Unix time.`,
  )
  const info = gauge(`${prefix}_last_config_info`, `The hash of the file of ${what} that is in effect.`)
  const note = (status: string) => {
    total.add({ ...server, status })
    last.set(clock.now() / 1000, { ...server, status })
  }
  const show = (text: string) => {
    info.clear()
    info.set(1, { ...server, hash: sha256(text) })
  }
  return {
    show,
    async count(text, use) {
      try {
        await use()
      } catch (error) {
        note('failure')
        throw error
      }
      note('success')
      show(text)
    },
  }
}

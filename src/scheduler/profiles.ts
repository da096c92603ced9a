// Makes the profiles of a configuration, and reports all mistakes in them at once.
import { StatusError } from '../base/errors.ts'
import type { SchedulerConfig } from './config.ts'
import { Fields } from '../api/config-file.ts'
import type { Handle } from './framework.ts'
import { defaultPlugins } from './plugins/index.ts'
import { makeProfile, type Profile } from './profile.ts'

/** The profiles by scheduler name. Throws a StatusError that names the file and the fields with mistakes. */
export function makeProfiles(config: SchedulerConfig, handle: Handle): Map<string, Profile> {
  const makers = new Map([...defaultPlugins.map(({ maker }) => maker), ...config.makers].map(m => [m.name, m]))
  const problems: string[] = []
  const ignored = config.extenders.flatMap(({ managedResources }) =>
    managedResources.flatMap(({ name, ignoredByScheduler }) => (ignoredByScheduler ? [name] : [])),
  )
  const profiles = config.profiles.map((profile, i) =>
    makeProfile({
      config: profile,
      makers,
      handle,
      extended: config.extenders.some(({ filterVerb, prioritizeVerb }) => filterVerb || prioritizeVerb),
      args: name => new Fields(withIgnored(name, profile.args.get(name), ignored)),
      problem: (at, text) => problems.push(`${config.source}: profiles[${i}].${at}: ${text}`),
    }),
  )
  const sorts = new Set(profiles.map(({ queueSort }) => queueSort))
  if (sorts.size > 1) problems.push(`${config.source}: profiles: all must have the same queueSort plugin`)
  if (problems.length) throw new StatusError('BadRequest', problems.join('\n'))
  return new Map(profiles.map(profile => [profile.schedulerName, profile]))
}

/** Adds the resources for which only an extender is responsible to those that NodeResourcesFit ignores. */
function withIgnored(plugin: string, args: unknown, ignored: readonly string[]): unknown {
  if (plugin !== 'NodeResourcesFit' || !ignored.length) return args
  const own = (args ?? {}) as { ignoredResources?: string[] }
  return { ...own, ignoredResources: [...(own.ignoredResources ?? []), ...ignored] }
}

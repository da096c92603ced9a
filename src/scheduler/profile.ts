// A profile: the plugins that decide on the pods of one scheduler name, sorted by the points in which they take part.
// The configuration of one point takes precedence over that of all points (multiPoint), which takes precedence over the
// defaults.
// Source: pkg/scheduler/framework/runtime/framework.go (expandMultiPointPlugins), apis/config/v1/default_plugins.go.
import { AnswerCache } from './answers.ts'
import type { ProfileConfig, PluginRef, PluginSet } from './config.ts'
import type { Fields } from '../api/config-file.ts'
import type { Handle, Plugin, PluginMaker } from './framework.ts'
import type { PodInfo } from './info.ts'
import { defaultPlugins } from './plugins/index.ts'
import { methodsOf, type Point } from './points.ts'

export interface Profile {
  schedulerName: string
  /** 0 lets the number of nodes decide. */
  percentageOfNodesToScore: number
  preEnqueue: readonly Plugin[]
  queueSort: string
  before(a: PodInfo, b: PodInfo): boolean
  filters: readonly { plugin: Plugin; prepares: boolean; filters: boolean }[]
  postFilters: readonly Plugin[]
  /** `kept`: scores are cached, since they depend only on the signature of the pod and on the node. */
  scores: readonly { plugin: Plugin; weight: number; prepares: boolean; kept: boolean }[]
  reserves: readonly Plugin[]
  permits: readonly Plugin[]
  preBinds: readonly Plugin[]
  binds: readonly Plugin[]
  postBinds: readonly Plugin[]
  /** Whether nodes are compared by scores. If not, the first feasible node is enough. */
  chooses: boolean
  answers: AnswerCache
  /** All plugins, for their wake-ups. */
  plugins: readonly Plugin[]
}

interface ProfileOptions {
  config: ProfileConfig
  makers: ReadonlyMap<string, PluginMaker>
  /** The arguments of a plugin. */
  args(name: string): Fields
  handle: Handle
  /** Whether extenders take part in the choice of nodes. */
  extended: boolean
  /** Collects a mistake in the configuration. */
  problem(at: string, text: string): void
}

export function makeProfile(options: ProfileOptions): Profile {
  const { config, problem } = options
  const made = new Map<string, Plugin>()
  const plugin = (name: string, at: string): Plugin | undefined => {
    const known = made.get(name)
    if (known) return known
    const maker = options.makers.get(name)
    if (!maker) return void problem(at, `there is no plugin ${JSON.stringify(name)}`)
    const created = maker.read(options.args(name))(options.handle)
    made.set(name, created)
    return created
  }
  const everywhere = mergeDefaults(config.multiPoint)
  const at = (point: Point): { plugin: Plugin; weight: number }[] => {
    const takesPart = (candidate: Plugin) => methodsOf[point].some(method => candidate[method] !== undefined)
    const own = config.plugins[point]
    for (const { name } of own.enabled) {
      const found = plugin(name, `plugins.${point}.enabled`)
      if (found && !takesPart(found)) problem(`plugins.${point}.enabled`, `plugin ${name} has no ${point}`)
    }
    return expand(own, everywhere, name => {
      const found = plugin(name, 'plugins.multiPoint.enabled')
      return found !== undefined && takesPart(found)
    }).flatMap(({ name, weight }) => {
      const found = made.get(name)
      return found && takesPart(found) ? [{ plugin: found, weight: weight || found.weight }] : []
    })
  }
  const list = (point: Point) => at(point).map(entry => entry.plugin)
  const sorts = list('queueSort')
  if (sorts.length !== 1) problem('plugins.queueSort', `exactly one plugin must sort the queue, not ${sorts.length}`)
  const binds = list('bind')
  if (!binds.length) problem('plugins.bind', 'at least one plugin must bind')
  const filters = mergeFilters(list('preFilter'), list('filter'), problem)
  const preScore = new Set(list('preScore'))
  const scores = at('score').map(({ plugin: scorer, weight }) => ({
    plugin: scorer,
    weight,
    prepares: preScore.has(scorer),
    kept: scorer.depends === 'node' && !scorer.normalize,
  }))
  for (const {
    plugin: { name, prepareScore },
    prepares,
  } of scores)
    if (prepareScore && !prepares) problem('plugins.preScore', `plugin ${name} cannot score without its preScore`)
  const rest = {
    preEnqueue: list('preEnqueue'),
    postFilters: list('postFilter'),
    reserves: list('reserve'),
    permits: list('permit'),
    preBinds: list('preBind'),
    postBinds: list('postBind'),
  }
  return {
    schedulerName: config.schedulerName,
    percentageOfNodesToScore: config.percentageOfNodesToScore,
    queueSort: sorts[0]?.name ?? '',
    before: (a, b) => sorts[0]!.before!(a, b),
    filters,
    scores,
    binds,
    chooses: scores.length > 0 || options.extended,
    answers: new AnswerCache(),
    plugins: [...made.values()],
    ...rest,
  }
}

/** Plugins that filter, in their order, then plugins that only prepare. */
function mergeFilters(preFilter: readonly Plugin[], filter: readonly Plugin[], problem: ProfileOptions['problem']) {
  const prepares = new Set(preFilter)
  const filters = new Set(filter)
  for (const plugin of filter)
    if (plugin.prepare && !prepares.has(plugin))
      problem('plugins.preFilter', `plugin ${plugin.name} cannot filter without its preFilter`)
  return [...new Set([...filter, ...preFilter])].map(plugin => ({
    plugin,
    prepares: prepares.has(plugin),
    filters: filters.has(plugin),
  }))
}

/** The default plugins, changed by the configuration's multiPoint. */
function mergeDefaults({ enabled, disabled }: PluginSet): PluginRef[] {
  const custom = new Map(enabled.map(ref => [ref.name, ref]))
  const list: PluginRef[] = []
  if (!disabled.includes('*')) {
    for (const { maker, weight } of defaultPlugins) {
      const { name } = maker
      const own = custom.get(name)
      if (!own && disabled.includes(name)) continue
      // A default plugin that is enabled again keeps its place, unless it was disabled to be moved.
      if (own && disabled.includes(name)) continue
      list.push(own ? { ...own, weight: own.weight || weight } : { name, ...(weight !== undefined && { weight }) })
      custom.delete(name)
    }
  }
  return [...list, ...enabled.filter(({ name }) => custom.has(name))]
}

/**
 * The plugins of one point, in order: those that both the point and multiPoint name, the others of multiPoint, and the
 * others that the point names.
 */
function expand(own: PluginSet, everywhere: readonly PluginRef[], takesPart: (name: string) => boolean): PluginRef[] {
  const named = new Map(own.enabled.map(ref => [ref.name, ref]))
  const moved = new Set<string>()
  const general: PluginRef[] = []
  if (!own.disabled.includes('*')) {
    for (const ref of everywhere) {
      if (!takesPart(ref.name) || own.disabled.includes(ref.name)) continue
      if (named.has(ref.name)) moved.add(ref.name)
      else general.push(ref)
    }
  }
  return [
    ...own.enabled.filter(({ name }) => moved.has(name)),
    ...general,
    ...own.enabled.filter(({ name }) => !moved.has(name)),
  ]
}

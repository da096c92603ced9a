// The configuration of a node's own containerd, as a pure function of its paths. All its files are in one directory, so
// that several nodes and the machine's own containerd can run at the same time.
// Source: containerd 1.6 docs/ops.md, docs/cri/config.md.
import { join } from 'node:path'
import { criNamespace } from '../cri-namespace.ts'

export interface ContainerdSettings {
  /** The directory of this containerd. It must be short, since the path of a socket has at most 107 bytes. */
  dir: string
  cniConfDir: string
  cniBinDir?: string
  /** The image of the pause container, which holds a pod's namespaces. */
  sandboxImage: string
  /** A directory of hosts.toml files, one for each registry; see containerd docs/hosts.md. */
  registryDir?: string
  snapshotter?: 'overlayfs' | 'native'
  /** Longer lines in a container's log are split. Default 16384. */
  maxLogLineBytes?: number
  /** Whether this process may lower OOM scores (CAP_SYS_RESOURCE). Default true. */
  mayLowerOomScore?: boolean
}

/** The paths of the containerd in `dir`. */
export function containerdPaths(dir: string) {
  return {
    config: join(dir, 'config.toml'),
    root: join(dir, 'root'),
    state: join(dir, 'state'),
    socket: join(dir, 'containerd.sock'),
    /** Shims report here. The agent keeps a connection open to notice when containerd ends. */
    ttrpcSocket: join(dir, 'containerd.sock.ttrpc'),
    log: join(dir, 'containerd.log'),
    pid: join(dir, 'containerd.pid'),
    bundles: join(dir, 'state', 'io.containerd.runtime.v2.task', criNamespace),
  }
}

// Plugins without use on a node. `opt` would create /opt/containerd, `cgroups` collects metrics that are not read (OOM
// events come from the shims), and each snapshotter probes the machine at start.
const disabled = [
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.internal.v1.opt',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
  'io.containerd.monitor.v1.cgroups',
]

/** The text of config.toml. */
export function containerdConfig(settings: ContainerdSettings): string {
  const paths = containerdPaths(settings.dir)
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  const mayLower = settings.mayLowerOomScore ?? true
  const registry = settings.registryDir ? section(`${cri}.registry`, { config_path: settings.registryDir }) : ''
  return [
    values({
      version: 2,
      root: paths.root,
      state: paths.state,
      oom_score: mayLower ? -999 : 0,
      disabled_plugins: disabled,
    }),
    section('grpc', { address: paths.socket, max_recv_message_size: 16 << 20, max_send_message_size: 64 << 20 }),
    section('ttrpc', { address: paths.ttrpcSocket }),
    section('debug', { level: 'warn' }),
    section(cri, {
      sandbox_image: settings.sandboxImage,
      max_container_log_line_size: settings.maxLogLineBytes ?? 16384,
      stream_server_address: '127.0.0.1',
      stream_server_port: '0',
      disable_tcp_service: true,
      // Network namespaces are in this directory and not among those of `ip netns`.
      netns_mounts_under_state_dir: true,
      // The defaults of containerd 2: a pod may bind port 80 and send pings without extra capabilities.
      enable_unprivileged_ports: true,
      enable_unprivileged_icmp: true,
      // Where scores must not be lowered, a pod whose score should be below that of this process could not start.
      restrict_oom_score_adj: !mayLower,
    }),
    section(`${cri}.cni`, {
      bin_dir: settings.cniBinDir ?? '/usr/lib/cni',
      conf_dir: settings.cniConfDir,
      max_conf_num: 1,
    }),
    section(`${cri}.containerd`, { snapshotter: settings.snapshotter ?? 'overlayfs', default_runtime_name: 'runc' }),
    section(`${cri}.containerd.runtimes.runc`, { runtime_type: 'io.containerd.runc.v2' }),
    section(`${cri}.containerd.runtimes.runc.options`, { SystemdCgroup: false, Root: join(paths.state, 'runc') }),
    registry,
  ]
    .filter(Boolean)
    .join('\n')
}

type Value = string | number | boolean | readonly string[]

const section = (name: string, entries: Record<string, Value>) => `[${name}]\n${values(entries)}`

// A JSON string, number, boolean or array of strings is also valid TOML.
const values = (entries: Record<string, Value>) =>
  Object.entries(entries)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('')

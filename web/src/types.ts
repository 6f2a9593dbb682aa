// The shapes of api/openapi.yaml that the page uses.

export type InstanceState =
  | 'queued' | 'preparing' | 'starting' | 'running' | 'paused' | 'stopping' | 'stopped' | 'failed';
export type TemplateState = 'ready' | 'building' | 'waiting' | 'broken' | 'inactive';
export type Role = 'player' | 'author' | 'operator' | 'admin';

export type Endpoint =
  | { name: string; kind: 'http'; url: string }
  | { name: string; kind: 'tcp'; host: string; port: number };

export interface Credentials {
  user: string;
  password: string;
}

export interface Progress {
  step: string;
  done: number;
  total: number;
  elapsed_ms: number;
  expected_ms: number | null;
}

export interface Instance {
  id: string;
  template: string;
  template_name: string;
  owner: { id: string; name: string; team: { id: string; name: string } | null };
  state: InstanceState;
  reason: { code: string; text: string } | null;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  expires_at: string | null;
  extendable_at: string | null;
  extend_s: number;
  queue: { position: number; eta_ms: number | null } | null;
  progress: Progress | null;
  endpoints: Endpoint[];
  machines: { name: string; state: string; health: string | null }[];
  credentials: Credentials | null;
  timings_ms: Record<string, number | null>;
}

export interface Problem {
  severity: 'error' | 'warning';
  file: string;
  line: number;
  message: string;
}

export interface Template {
  id: string;
  name: string;
  category: string;
  description: string;
  active: boolean;
  state: TemplateState;
  reason: string | null;
  build: {
    step: number;
    steps: number;
    text: string;
    started_at: string;
    elapsed_ms: number;
    usual_ms: number | null;
  } | null;
  endpoints: { name: string; kind: 'http' | 'tcp'; machine: string; port: number }[];
  machines: number;
  lease: { policy: string; timeout_s: number; extend_s: number; text: string };
  expected_boot_ms: number;
  usual_start_ms: number | null;
  pool: { kind: PoolKind; ready: number; target: number; reason: string | null } | null;
  cost_centre: string;
  limits: { cpus?: number; memory_bytes?: number; pids?: number };
  problems?: Problem[];
  credentials: Credentials | null;
}

export type PoolKind = 'running' | 'created' | 'none';

export interface Pool {
  template: string;
  kind: PoolKind;
  ready: number;
  filling: number;
  target: number;
  min: number;
  max: number;
  reason: string | null;
}

export interface Me {
  id: string;
  name: string;
  kind: 'user' | 'address' | 'service';
  roles: Role[];
  team: { id: string; name: string } | null;
  strategy: string;
  limits: { instances: number; running: number };
  has_password: boolean;
  email: string | null;
  scopes: Scope[];
  /** Whether this range is played in teams, and whether I need one. */
  teams: boolean;
  team_missing: boolean;
  /** Until when what is sensitive is not asked for again, and by which strategies it can be shown then; null: it never is. */
  proof: { until: string; ways: ('local' | 'token' | 'ctfd' | 'oidc')[] } | null;
}

export type Scope = 'read' | 'instances' | 'flags' | 'account' | 'admin';

export interface Session {
  id: string;
  current: boolean;
  strategy: string;
  address: string;
  agent: string;
  created_at: string;
  last_seen_at: string;
  expires_at: string;
}

export interface TeamRow {
  id: string;
  name: string;
  created_at: string;
  members: number;
}

export interface TeamWithPeople extends TeamRow {
  people: { id: string; name: string; role: Role }[];
}

export interface Invitation {
  id: string;
  role: Role;
  team: { id: string; name: string } | null;
  uses_left: number;
  created_at: string;
  expires_at: string;
  code?: string;
}

export interface User {
  id: string;
  name: string;
  kind: 'user' | 'address' | 'service';
  role: Role;
  team: { id: string; name: string } | null;
  has_password: boolean;
  email: string | null;
  created_at: string;
  last_sign_in_at: string | null;
  disabled: boolean;
  sign_in_url?: string | null;
}

export interface AuthInfo {
  strategies: string[];
  providers: { name: string; title: string }[];
  registration: 'off' | 'invite' | 'open';
  reset: boolean;
  needs_setup: boolean;
  name: string;
  version: string;
}

export interface ApiToken {
  id: string;
  name: string;
  scopes: Scope[];
  created_at: string;
  last_used_at: string | null;
  expires_at: string | null;
  token?: string;
}

export interface UsageRow {
  key: string;
  instances: number;
  instance_hours: number;
  cpu_seconds: number;
  memory_gib_hours: number;
}

export interface List<T> {
  items: T[];
  next: string | null;
}

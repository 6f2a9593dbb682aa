// The shapes of the farm's part of api/openapi.yaml that the page uses.

export const STATUSES = ['queued', 'leased', 'accepted', 'rejected', 'skipped'] as const;
export type FarmStatus = (typeof STATUSES)[number];

export type Tally = Record<FarmStatus | 'total', number>;
export type NamedTally = Tally & { name: string };

export interface Sender {
  name: string;
  seen_at: string;
  leased: number;
  answered: number;
}

export interface FarmRate {
  calls_per_s: number | null;
  configured_calls_per_s: number | null;
  flags_per_s: number | null;
  limited: number;
  paused_ms: number;
}

export interface FarmStats extends Tally {
  duplicates: number;
  invalid: number;
  probable: number;
  late: number;
  attempts: number;
  points: number;
  by_sploit: NamedTally[];
  by_team: NamedTally[];
  by_service: NamedTally[];
  oldest_queued_ms: number | null;
  leases: number;
  senders: Sender[];
  rate: FarmRate;
  received_per_s: number;
  accepted_per_s: number;
  version: number;
}

export interface FarmPoint {
  at: string;
  received: number;
  duplicate: number;
  sent: number;
  accepted: number;
  rejected: number;
  skipped: number;
  queued: number;
}

export interface FarmFlag {
  id: number;
  flag: string;
  sploit: string;
  team: string;
  service: string;
  status: FarmStatus;
  received_at: string;
  submitted_at: string | null;
  decided_at: string | null;
  expires_at: string;
  attempts: number;
  response: string | null;
  probable: boolean;
}

export interface FarmAttempt {
  lease: string;
  number: number;
  sender: string;
  sent_at: string;
  answered_at: string | null;
  verdict: string | null;
  message: string | null;
  late: boolean;
}

export interface FarmReceipt {
  received: number;
  new: number;
  duplicate: number;
  invalid_count: number;
  invalid: { index: number; flag: string; reason: string }[];
}

export interface FarmConfig {
  text: string;
  version: number;
  path?: string;
}

export interface FarmTeams {
  items: { name: string; address: string }[];
  flag_format: string;
  flag_lifetime_s: number;
  submit_period_s: number;
  version: number;
}

export interface AttackData {
  services: Record<string, Record<string, string[]>>;
  fetched_at: string | null;
  stale: boolean;
  error: string | null;
}

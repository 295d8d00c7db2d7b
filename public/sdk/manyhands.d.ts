// Types of the SDK; `manyhands.js` says what each does.

/** What every call that fails throws or rejects with. An aborted one also has the name of its signal's reason, `AbortError` by default. */
export interface ManyhandsError extends Error {
  code: ErrorCode;
  error: { message: string; type: 'manyhands_error'; code: ErrorCode; param: null };
}

/** `relay_unreachable`: the relay, or another source of a model's bytes, does not answer. */
export type ErrorCode =
  | 'no_webgpu'
  | 'device_lost'
  | 'wont_fit'
  | 'model_rejected'
  | 'no_route'
  | 'peer_lost'
  | 'relay_unreachable'
  | 'storage_full'
  | 'not_allowed'
  | 'bad_request'
  | 'aborted';

export interface NodeOptions {
  /** Origin of the relay; the SDK's own by default. */
  relay?: string;
  /** Whether keys and weights outlive the tab. */
  storage?: 'persistent' | 'memory';
  /** Stops the node, also while it is still loaded. */
  signal?: AbortSignal;
}

export interface LendOptions {
  /** A model's id; the relay's first model by default. */
  model?: string;
  /** Layers first to end, half open; those that the swarm lacks most by default. */
  layers?: [number, number];
  /** What computes them. */
  backend?: 'auto' | 'gpu' | 'cpu';
  /** At most this share of the time, above 0, at most 1. */
  maxDuty?: number;
  onprogress?: (progress: { loaded: number; total: number }) => void;
  /** Stops lending, also before it is served. */
  signal?: AbortSignal;
}

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface ChatRequest {
  model?: string;
  messages?: Message[];
  /** Raw text instead of messages: no template is applied. */
  prompt?: string;
  /** Where it may be computed. `swarm`: on strangers' devices, who can read it. */
  mode?: 'auto' | 'local' | 'mine' | 'swarm';
  stream?: boolean;
  /** With `stream`: a last chunk without choices carries `usage`. */
  stream_options?: { include_usage?: boolean };
  n?: 1;
  temperature?: number;
  top_p?: number;
  top_k?: number;
  min_p?: number;
  repeat_penalty?: number;
  seed?: number;
  max_tokens?: number;
  max_completion_tokens?: number;
  /** Stops the answer wherever it is computed; whoever waits for it hears `aborted`. */
  signal?: AbortSignal;
}

export interface Hop {
  /** Nothing for this tab itself. */
  peer?: string;
  layers: [number, number];
  backend: string;
  /** Mean computing time of one step, and how long it waited before for the device. */
  ms: number;
  wait_ms: number;
  /** Steps: each token, or each piece of the question. */
  steps: number;
  lost: boolean;
}

export interface Route {
  hops: Hop[];
  replays: number;
  bytes: number;
  trips: number;
  drafted: number;
  agreed: number;
  longest_stall_ms: number;
  /** From the first token to the last. */
  decode_ms: number;
}

export interface Extra {
  token_ids?: number[];
  waiting?: string | null;
  route?: Route;
  tokens?: number;
  ms?: number;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export interface Chunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  /** The model that answered, also where none was named. */
  model: string;
  /** None in the chunk that carries `usage`. */
  choices: { index: 0; delta: { role?: 'assistant'; content?: string }; finish_reason: 'stop' | 'length' | null; logprobs: null }[];
  usage?: Usage | null;
  x_manyhands?: Extra;
}

export interface Completion {
  id: string;
  object: 'chat.completion';
  created: number;
  /** The model that answered, also where none was named. */
  model: string;
  choices: [{ index: 0; message: { role: 'assistant'; content: string }; finish_reason: 'stop' | 'length'; logprobs: null }];
  usage: Usage;
  x_manyhands?: Extra;
}

/** The state at one moment, as plain data. */
export interface Status {
  connection: 'offline' | 'connecting' | 'online';
  /** Why it is not online, in words. */
  reason: string | null;
  peer_id: string | null;
  node_id: string | null;
  public_key: string | null;
  swarm: { id: string; name: string } | null;
  own_swarm: string | null;
  models: ModelInfo[];
  workers: WorkerInfo[];
  /** Peers that compute an answer for this node just now. */
  busy: string[];
  lend: LendState;
  [other: string]: unknown;
}

export interface ModelInfo {
  id: string;
  name: string;
  architecture: string;
  layers: number;
  bytes: number;
  license: string | null;
  own: boolean;
  description: string | null;
}

export interface WorkerInfo {
  peer: string;
  model: string;
  /** Layers `first` to `end`, half open. */
  first: number;
  end: number;
  backend: string;
  batch_invariant: boolean | null;
  tokens_per_s: number;
  mine: boolean;
}

export interface LendState {
  state: 'off' | 'loading' | 'ready' | 'working' | 'paused' | 'error';
  reason: string | null;
  model: string | null;
  first: number;
  end: number;
  loaded_bytes: number;
  total_bytes: number;
  /** Since the node was started. */
  gave: { jobs: number; tokens: number; bytes: number; compute_ms: number };
}

export interface ManyhandsNode extends EventTarget {
  /** On a page of another origin than the relay's this must be called from a click: the relay's own page asks the person. */
  lend(options?: LendOptions): Promise<void>;
  setMaxDuty(share: number): void;
  stopLending(): Promise<void>;
  chat: {
    completions: {
      create(request: ChatRequest & { stream: true }): Promise<AsyncIterable<Chunk>>;
      create(request: ChatRequest & { stream?: false }): Promise<Completion>;
    };
  };
  status(): Status;
  stop(): Promise<void>;
}

export function createNode(options?: NodeOptions): Promise<ManyhandsNode>;

//! How long a stage takes for one token: over some steps when it is made ready, in passing later on.
//! It judges no figure: offers carry the first, `node` decides by the others.

use engine::{EngineError, Input, Output, Sampling, Shard, Want, WireType};

/// The session of a measurement; the page counts its own from 0.
const SESSION: u64 = u64::MAX;
/// Steps of the measurement at load, after one that warms up.
const STEPS: u32 = 4;
/// A measurement in passing goes on for as long, where one step is too short for a browser's clock…
const PASSING_MS: f64 = 5.0;
/// …but for no more steps than these, always the same: what a token costs grows with those before it.
const PASSING_STEPS: u32 = 8;

/// Microseconds per token of a stage, one after the other, over a handful of steps: an offer's word
/// about itself is measured, not declared. It also proves that the stage computes at all.
pub(crate) async fn at_load(shard: &mut Shard) -> Result<u32, EngineError> {
    shard.open(SESSION, STEPS + 1)?;
    step(shard, 0).await?;
    let start = now_ms();
    for position in 1..=STEPS {
        step(shard, position).await?;
    }
    shard.close(SESSION);
    Ok(us_each(now_ms() - start, STEPS))
}

/// The same for a stage that has just computed: as few steps as show something, since others wait.
pub(crate) async fn in_passing(shard: &mut Shard) -> Result<u32, EngineError> {
    shard.open(SESSION, PASSING_STEPS)?;
    let start = now_ms();
    let (mut steps, mut ms, mut went) = (0, 0.0, Ok(()));
    while steps < PASSING_STEPS && ms < PASSING_MS && went.is_ok() {
        went = step(shard, steps).await.map(drop);
        steps += 1;
        ms = now_ms() - start;
    }
    // In any case: the next measurement opens it again.
    shard.close(SESSION);
    went.map(|()| us_each(ms, steps))
}

/// One token through the stage.
async fn step(shard: &mut Shard, position: u32) -> Result<Output, EngineError> {
    let stage = *shard.stage();
    let zeros = vec![0; WireType::F32.row_bytes(shard.config().d_model as usize)];
    let greedy = Sampling::default();
    let input = if stage.embed {
        Input::Tokens(&[0])
    } else {
        Input::Hidden {
            wire: WireType::F32,
            bytes: &zeros,
        }
    };
    let want = if stage.head {
        Want::Sample {
            rows: &[0],
            sampling: &greedy,
            history: &[],
        }
    } else {
        Want::Hidden(WireType::F32)
    };
    shard.step(SESSION, position, input, want).await
}

fn us_each(ms: f64, steps: u32) -> u32 {
    // Browsers round their clocks: nothing takes no time.
    (ms * 1000.0 / f64::from(steps)).max(1.0) as u32
}

/// Milliseconds since some moment.
pub(crate) fn now_ms() -> f64 {
    js_sys::Reflect::get(&js_sys::global(), &"performance".into())
        .ok()
        .and_then(|p| wasm_bindgen::JsCast::dyn_into::<web_sys::Performance>(p).ok())
        .map_or_else(js_sys::Date::now, |performance| performance.now())
}

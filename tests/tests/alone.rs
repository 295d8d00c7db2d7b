//! A node without a world around it, which computes its own answer: how it ends where this device cannot.
//! What others cannot or will not do is shown in `session` and `refusals`.
#![allow(clippy::unwrap_used)]

use identity::{LocalKey, SigningKey as _};
use node::io::{Code, Compute, ComputeError, Computed, Effect, Event, Input, Loaded, Mode, Now, Output};
use node::{Config, Node};
use protocol::{Backend, PeerId};
use tests::world::{MORNING, SWARM, ask};

#[test]
fn what_this_device_cannot_do_is_said_with_its_own_code() {
    let cases = [
        ("load", ComputeError::Weights, Code::ModelRejected),
        ("open", ComputeError::WontFit, Code::WontFit),
        ("step", ComputeError::DeviceLost, Code::DeviceLost),
    ];
    for (fails, error, expected) in cases {
        let config = Config {
            me: PeerId::new("me").unwrap(),
            swarm: SWARM,
            start: 1,
            session: LocalKey::eddsa(&[1; 32]).unwrap().public_key(),
            clock: MORNING,
        };
        let mut node = Node::new(config);
        let mut question = ask(1, &[1, 5, 9], 8, 8);
        question.mode = Mode::Local;
        let (mut inputs, mut code) = (vec![Input::Ask(question)], None);
        while let Some(input) = inputs.pop() {
            node.handle_input(Now(1), input);
            while let Some(output) = node.poll_output() {
                let (effect, compute) = match output {
                    Output::Effect {
                        id,
                        effect: Effect::Compute(compute),
                    } => (id, compute),
                    Output::Event {
                        event: Event::Failed { code: failed, .. },
                        ..
                    } => {
                        code = Some(failed);
                        continue;
                    }
                    _ => continue,
                };
                let (what, done) = match compute {
                    Compute::Load { .. } => (
                        "load",
                        Computed::Loaded(Loaded {
                            us_per_token: 1,
                            backend: Backend::Cpu,
                            batch_invariant: true,
                        }),
                    ),
                    Compute::Open { .. } => ("open", Computed::Opened),
                    Compute::Step { .. } => ("step", Computed::Done),
                    _ => continue,
                };
                let result = if what == fails { Err(error) } else { Ok(done) };
                inputs.push(Input::Computed { effect, result });
            }
        }
        assert_eq!(code, Some(expected), "{fails}");
    }
}

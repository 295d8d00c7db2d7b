//! What went wrong, as a sentence with the contract's code, and the exact words folded away.
//! Does not repair: a caller may add a button.

use leptos::prelude::*;

use super::{Icon, icon};
use crate::context::words;
use crate::i18n::Words;
use crate::view::Fault;

#[component]
pub fn FaultNotice(fault: Fault) -> impl IntoView {
    let t = words();
    let sentence = fault
        .reason
        .as_deref()
        .and_then(|reason| because(t, reason))
        .unwrap_or_else(|| sentence(t, &fault.code));
    let detail = (!fault.message.is_empty()).then(|| {
        view! {
            <details class="fault-detail">
                <summary>{t.details}</summary>
                <p dir="auto">{fault.message.clone()}</p>
            </details>
        }
    });
    view! {
        <div class="notice bad" role="alert" data-testid="error" data-code=fault.code.clone() data-reason=fault.reason>
            {icon(Icon::Warning)}
            <div>
                <p>{sentence}</p>
                {detail}
            </div>
        </div>
    }
}

/// Why a swarm's registry, an invite, storage or the terms of others said no.
fn because(t: &'static Words, reason: &str) -> Option<&'static str> {
    Some(match reason {
        "last_owner" => t.refused_last_owner,
        "rank" => t.refused_rank,
        "not_a_member" => t.refused_not_a_member,
        "already_a_member" => t.refused_already_a_member,
        "blocked" => t.refused_blocked,
        "on_oneself" => t.refused_on_oneself,
        "wider" => t.refused_wider,
        "direction" => t.refused_direction,
        "no_offer" => t.refused_no_offer,
        "nothing_to_do" => t.refused_nothing_to_do,
        "too_long" => t.refused_too_long,
        "full" => t.refused_full,
        "expired" => t.refused_expired,
        "clock" => t.refused_clock,
        "unsound" => t.refused_unsound,
        "used" => t.refused_used,
        "invite_unknown" => t.refused_invite_unknown,
        "invite_expired" => t.refused_invite_expired,
        "owned" | "claimed" => t.refused_claimed,
        "claim_secret" => t.refused_claim_secret,
        "floor" => t.refused_floor,
        "passkey" => t.passkey_refused,
        "no_role" => t.refused_no_role,
        "storage_refused" => t.storage_refused,
        "source_unreachable" => t.err_source_unreachable,
        "key_damaged" => t.key_damaged,
        "barred_halted" => t.barred_halted,
        "barred_blocked" => t.barred_blocked,
        "barred_members" => t.barred_members,
        "barred_privacy" => t.barred_privacy,
        "barred_kind" => t.barred_kind,
        "barred_budget" => t.barred_budget,
        "barred_rate" => t.barred_rate,
        "barred_length" => t.barred_length,
        "barred_stranger" => t.barred_stranger,
        "barred_mine" => t.barred_mine,
        _ => return None,
    })
}

fn sentence(t: &'static Words, code: &str) -> &'static str {
    match code {
        "no_webgpu" => t.err_no_webgpu,
        "device_lost" => t.err_device_lost,
        "wont_fit" => t.err_wont_fit,
        "model_rejected" => t.err_model_rejected,
        "no_route" => t.err_no_route,
        "peer_lost" => t.err_peer_lost,
        "relay_unreachable" => t.err_relay_unreachable,
        "storage_full" => t.err_storage_full,
        "not_allowed" => t.err_not_allowed,
        "bad_request" => t.err_bad_request,
        _ => t.err_aborted,
    }
}

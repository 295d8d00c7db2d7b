//! Where the tensors of a file lie: types known, sizes that fit, one behind the other, all inside the file.
//! Does not know what they are for.

use crate::error::GgufError;
use crate::listing::{ListedTensor, Listing};
use crate::tensor::TensorInfo;
use crate::tensor_type::TensorType;

/// Places every tensor, and checks that they fill the file exactly.
pub(crate) fn place(listing: &Listing, file_bytes: u64) -> Result<Vec<TensorInfo>, GgufError> {
    let alignment = u64::from(listing.alignment);
    let data_offset = listing.header_bytes.next_multiple_of(alignment);
    let mut tensors = Vec::with_capacity(listing.tensors.len());
    // Offsets count from `data_offset`. What a tensor may fill is bounded by the file, so sums cannot wrap.
    let mut next = 0;
    let mut end = listing.header_bytes;
    for tensor in &listing.tensors {
        let placed = place_one(tensor, next, data_offset, alignment, file_bytes)?;
        end = placed.end_bytes();
        next = (end - data_offset).next_multiple_of(alignment);
        tensors.push(placed);
    }
    // The last tensor may be padded like the others, or not.
    let padded = end.next_multiple_of(alignment);
    if file_bytes != end && file_bytes != padded {
        return Err(GgufError::Trailing {
            bytes: file_bytes.saturating_sub(end),
        });
    }
    Ok(tensors)
}

fn place_one(
    tensor: &ListedTensor,
    next: u64,
    data_offset: u64,
    alignment: u64,
    file_bytes: u64,
) -> Result<TensorInfo, GgufError> {
    let name = || tensor.name.clone();
    let ty = tensor.ty.supported().ok_or_else(|| GgufError::TensorType {
        name: name(),
        ty: tensor.ty,
    })?;
    let bytes = tensor_bytes(&tensor.name, ty, &tensor.dims)?;
    if !tensor.offset_bytes.is_multiple_of(alignment) {
        return Err(GgufError::Unaligned {
            name: name(),
            offset: tensor.offset_bytes,
        });
    }
    if tensor.offset_bytes != next {
        return Err(GgufError::Offset {
            name: name(),
            found: tensor.offset_bytes,
            needed: next,
        });
    }
    let end = data_offset
        .checked_add(next)
        .and_then(|start| start.checked_add(bytes))
        .unwrap_or(u64::MAX);
    if end > file_bytes {
        return Err(GgufError::BeyondFile {
            name: name(),
            end,
            file_bytes,
        });
    }
    Ok(TensorInfo {
        name: name(),
        ty,
        dims: tensor.dims.clone(),
        offset_bytes: data_offset + next,
        bytes,
    })
}

/// The bytes of a tensor of that shape.
pub(crate) fn tensor_bytes(name: &str, ty: TensorType, dims: &[u64]) -> Result<u64, GgufError> {
    let row = dims.first().copied().unwrap_or(0);
    if !row.is_multiple_of(ty.block_weights()) {
        return Err(GgufError::Row {
            name: name.to_owned(),
            row,
            ty: ty.code(),
        });
    }
    let weights = dims
        .iter()
        .try_fold(1_u64, |product, dim| product.checked_mul(*dim));
    let bytes = weights.and_then(|weights| (weights / ty.block_weights()).checked_mul(ty.block_bytes()));
    bytes.ok_or_else(|| GgufError::TensorOverflow(name.to_owned()))
}

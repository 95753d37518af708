//! AES key wrap (RFC 3394), over the block cipher, for the library has it for keys of 128 and 256 bits alone.

use aws_lc_rs::cipher::{DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext};
use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::unbound;
use crate::Error;

/// The initial value (RFC 3394 2.2.3.1).
const INITIAL: u64 = 0xa6a6_a6a6_a6a6_a6a6;

/// Wraps keys whose length is a multiple of 8 (RFC 3394 2.2.1).
pub(super) fn wrap(kek: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
    let cipher = EncryptingKey::ecb(unbound(kek)?).map_err(|_| Error::WrongKey)?;
    let mut registers: Vec<u64> = plain.as_chunks().0.iter().map(|part| u64::from_be_bytes(*part)).collect();
    let mut check = INITIAL;
    let mut step = 0;
    for _ in 0..6 {
        for register in &mut registers {
            step += 1;
            let mut block = (u128::from(check) << 64 | u128::from(*register)).to_be_bytes();
            cipher.less_safe_encrypt(&mut block, EncryptionContext::None).map_err(|_| Error::WrongKey)?;
            let block = u128::from_be_bytes(block);
            check = (block >> 64) as u64 ^ step;
            *register = block as u64;
        }
    }
    Ok(std::iter::once(check).chain(registers).flat_map(u64::to_be_bytes).collect())
}

/// Opens what [`wrap`] made; an error with another key (RFC 3394 2.2.2).
pub(super) fn unwrap(kek: &[u8], wrapped: &[u8]) -> Result<Vec<u8>, Error> {
    let cipher = DecryptingKey::ecb(unbound(kek)?).map_err(|_| Error::WrongKey)?;
    let mut parts = wrapped.as_chunks().0.iter().map(|part| u64::from_be_bytes(*part));
    let mut check = parts.next().ok_or(Error::WrongKey)?;
    let mut registers: Vec<u64> = parts.collect();
    let mut step = 6 * registers.len() as u64;
    for _ in 0..6 {
        for register in registers.iter_mut().rev() {
            let mut block = (u128::from(check ^ step) << 64 | u128::from(*register)).to_be_bytes();
            cipher.decrypt(&mut block, DecryptionContext::None).map_err(|_| Error::WrongKey)?;
            let block = u128::from_be_bytes(block);
            check = (block >> 64) as u64;
            *register = block as u64;
            step -= 1;
        }
    }
    verify_slices_are_equal(&check.to_be_bytes(), &INITIAL.to_be_bytes()).map_err(|_| Error::WrongKey)?;
    Ok(registers.into_iter().flat_map(u64::to_be_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// The examples of RFC 3394 4.1 to 4.6.
    #[test]
    fn the_examples_of_the_specification() {
        let data = "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F";
        let kek = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";
        for (kek_bytes, data_bytes, wrapped) in [
            (16, 16, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
            (24, 16, "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"),
            (32, 16, "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"),
            (24, 24, "031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2"),
            (32, 24, "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1"),
            (32, 32, "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"),
        ] {
            let (kek, plain) = (bytes(&kek[..2 * kek_bytes]), bytes(&data[..2 * data_bytes]));
            assert_eq!(wrap(&kek, &plain), Ok(bytes(wrapped)));
            assert_eq!(unwrap(&kek, &bytes(wrapped)), Ok(plain));
            let mut other = bytes(wrapped);
            other[9] ^= 1;
            assert_eq!(unwrap(&kek, &other), Err(Error::WrongKey));
        }
    }
}

//! Floats in the bytes of Ruby's json 3.1: as text they are what its `JSON.generate(JSON.parse(text))` gives back.
//!
//! Its digits are those of Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers", 2010) with powers of ten
//! in steps of eight, as in fpconv. They always read back as the same number, but are not always the fewest: 1e23 is `9.999999999999999e+22`.

/// A fraction and a binary exponent.
#[derive(Clone, Copy)]
struct Scaled {
    fraction: u64,
    exponent: i32,
}

const HIDDEN: u64 = 1 << 52;
const FIRST_POWER: i32 = -348;
const STEP: i32 = 8;

/// Writes a finite number: its digits, and a point or an exponent. Decimal from 1e-9 up to 1e15, and a little more where digits follow the point;
/// else the mantissa and a signed exponent.
pub fn write_float(out: &mut Vec<u8>, number: f64) {
    if number.is_sign_negative() {
        out.push(b'-');
    }
    if number == 0.0 {
        out.extend_from_slice(b"0.0");
        return;
    }
    let mut buffer = [0_u8; 20];
    let (count, power) = digits(number.abs(), &mut buffer);
    let digits = &buffer[..count];
    let exponent = power + i32::try_from(count).unwrap_or_default() - 1;
    if exponent >= -9 && (exponent < 15 || power < 0) {
        write_decimal(out, digits, exponent);
        return;
    }
    out.push(digits[0]);
    if count > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    out.extend_from_slice(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
}

/// Writes d.ddd times ten to the `exponent` without an exponent.
fn write_decimal(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let shift = exponent.unsigned_abs() as usize;
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + shift - 1, b'0');
        out.extend_from_slice(digits);
        return;
    }
    let whole = digits.len().min(shift + 1);
    out.extend_from_slice(&digits[..whole]);
    out.resize(out.len() + shift + 1 - whole, b'0');
    out.push(b'.');
    out.extend_from_slice(if digits.len() > whole { &digits[whole..] } else { b"0" });
}

/// The digits of a positive number, how many they are, and the power of ten of the last one.
#[allow(clippy::cast_possible_truncation, reason = "the exponent has eleven bits")]
fn digits(number: f64, buffer: &mut [u8; 20]) -> (usize, i32) {
    let bits = number.to_bits();
    let (fraction, biased) = (bits & (HIDDEN - 1), (bits >> 52) as i32);
    let exact = match biased {
        0 => Scaled { fraction, exponent: -1074 },
        _ => Scaled { fraction: fraction | HIDDEN, exponent: biased - 1075 },
    };
    // Halfway to the neighbours; the lower one is nearer where the exponent changes.
    let upper = normalized(Scaled { fraction: (exact.fraction << 1) + 1, exponent: exact.exponent - 1 });
    let nearer = if exact.fraction == HIDDEN { 2 } else { 1 };
    let lower = Scaled { fraction: (exact.fraction << nearer) - 1, exponent: exact.exponent - nearer };
    let lower = Scaled { fraction: lower.fraction << (lower.exponent - upper.exponent), exponent: upper.exponent };
    let (power, ten) = cached_power(upper.exponent);
    let exact = times(normalized(exact), ten);
    let (mut upper, mut lower) = (times(upper, ten), times(lower, ten));
    // What the products may be off by.
    upper.fraction -= 1;
    lower.fraction += 1;
    let (count, shift) = generate(upper, upper.fraction - exact.fraction, upper.fraction - lower.fraction, buffer);
    (count, shift - power)
}

fn normalized(number: Scaled) -> Scaled {
    let shift = number.fraction.leading_zeros();
    Scaled { fraction: number.fraction << shift, exponent: number.exponent - shift.cast_signed() }
}

/// The product, rounded to 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "the upper half")]
fn times(one: Scaled, other: Scaled) -> Scaled {
    let product = u128::from(one.fraction) * u128::from(other.fraction);
    let rounded = (product + (1 << 63)) >> 64;
    Scaled { fraction: rounded as u64, exponent: one.exponent + other.exponent + 64 }
}

/// The power of ten that brings a number of this exponent to one from -60 to -32.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the estimate lies within the table")]
fn cached_power(exponent: i32) -> (i32, Scaled) {
    let estimate = (-f64::from(exponent + 87) * std::f64::consts::LOG10_2) as i32;
    let mut index = ((estimate - FIRST_POWER) / STEP) as usize;
    loop {
        let (fraction, of_power) = POWERS[index];
        match exponent + i32::from(of_power) + 64 {
            ..-60 => index += 1,
            -31.. => index -= 1,
            _ => {
                let power = FIRST_POWER + STEP * i32::try_from(index).unwrap_or_default();
                return (power, Scaled { fraction, exponent: i32::from(of_power) });
            }
        }
    }
}

/// The digits of `upper` until what is left is within `delta` of it, the last one turned towards the number, which lies `distance` below.
#[allow(clippy::cast_possible_truncation, reason = "a digit")]
fn generate(upper: Scaled, distance: u64, mut delta: u64, buffer: &mut [u8; 20]) -> (usize, i32) {
    let shift = -upper.exponent;
    let one = 1_u64 << shift;
    let (mut whole, mut part) = (upper.fraction >> shift, upper.fraction & (one - 1));
    let (mut count, mut left) = (0, 10);
    let mut push = |digit: u64, count: &mut usize| {
        if digit > 0 || *count > 0 {
            buffer[*count] = b'0' + digit as u8;
            *count += 1;
        }
    };
    let mut unit = 1_000_000_000_u64;
    while left > 0 {
        push(whole / unit, &mut count);
        whole %= unit;
        left -= 1;
        let rest = (whole << shift) + part;
        if rest <= delta {
            turn(&mut buffer[count - 1], delta, rest, unit << shift, distance);
            return (count, left);
        }
        unit /= 10;
    }
    let mut scale = 1_u64;
    loop {
        part *= 10;
        delta *= 10;
        scale = scale.wrapping_mul(10);
        left -= 1;
        push(part >> shift, &mut count);
        part &= one - 1;
        if part < delta {
            turn(&mut buffer[count - 1], delta, part, one, distance.wrapping_mul(scale));
            return (count, left);
        }
    }
}

/// Lowers the last digit as long as that brings it nearer to the number.
fn turn(last: &mut u8, delta: u64, mut rest: u64, unit: u64, distance: u64) {
    while rest < distance
        && delta - rest >= unit
        && (rest + unit < distance || distance - rest > rest + unit - distance)
    {
        *last -= 1;
        rest += unit;
    }
}

/// 10^-348, 10^-340, ... 10^340: 64 bits, rounded, and their binary exponents.
#[rustfmt::skip]
const POWERS: [(u64, i16); 87] = [
    (0xfa8f_d5a0_081c_0288, -1220), (0xbaae_e17f_a23e_bf76, -1193), (0x8b16_fb20_3055_ac76, -1166),
    (0xcf42_894a_5dce_35ea, -1140), (0x9a6b_b0aa_5565_3b2d, -1113), (0xe61a_cf03_3d1a_45df, -1087),
    (0xab70_fe17_c79a_c6ca, -1060), (0xff77_b1fc_bebc_dc4f, -1034), (0xbe56_91ef_416b_d60c, -1007),
    (0x8dd0_1fad_907f_fc3c, -980), (0xd351_5c28_3155_9a83, -954), (0x9d71_ac8f_ada6_c9b5, -927),
    (0xea9c_2277_23ee_8bcb, -901), (0xaecc_4991_4078_536d, -874), (0x823c_1279_5db6_ce57, -847),
    (0xc210_9436_4dfb_5637, -821), (0x9096_ea6f_3848_984f, -794), (0xd774_85cb_2582_3ac7, -768),
    (0xa086_cfcd_97bf_97f4, -741), (0xef34_0a98_172a_ace5, -715), (0xb238_67fb_2a35_b28e, -688),
    (0x84c8_d4df_d2c6_3f3b, -661), (0xc5dd_4427_1ad3_cdba, -635), (0x936b_9fce_bb25_c996, -608),
    (0xdbac_6c24_7d62_a584, -582), (0xa3ab_6658_0d5f_daf6, -555), (0xf3e2_f893_dec3_f126, -529),
    (0xb5b5_ada8_aaff_80b8, -502), (0x8762_5f05_6c7c_4a8b, -475), (0xc9bc_ff60_34c1_3053, -449),
    (0x964e_858c_91ba_2655, -422), (0xdff9_7724_7029_7ebd, -396), (0xa6df_bd9f_b8e5_b88f, -369),
    (0xf8a9_5fcf_8874_7d94, -343), (0xb944_7093_8fa8_9bcf, -316), (0x8a08_f0f8_bf0f_156b, -289),
    (0xcdb0_2555_6531_31b6, -263), (0x993f_e2c6_d07b_7fac, -236), (0xe45c_10c4_2a2b_3b06, -210),
    (0xaa24_2499_6973_92d3, -183), (0xfd87_b5f2_8300_ca0e, -157), (0xbce5_0864_9211_1aeb, -130),
    (0x8cbc_cc09_6f50_88cc, -103), (0xd1b7_1758_e219_652c, -77), (0x9c40_0000_0000_0000, -50),
    (0xe8d4_a510_0000_0000, -24), (0xad78_ebc5_ac62_0000, 3), (0x813f_3978_f894_0984, 30),
    (0xc097_ce7b_c907_15b3, 56), (0x8f7e_32ce_7bea_5c70, 83), (0xd5d2_38a4_abe9_8068, 109),
    (0x9f4f_2726_179a_2245, 136), (0xed63_a231_d4c4_fb27, 162), (0xb0de_6538_8cc8_ada8, 189),
    (0x83c7_088e_1aab_65db, 216), (0xc45d_1df9_4271_1d9a, 242), (0x924d_692c_a61b_e758, 269),
    (0xda01_ee64_1a70_8dea, 295), (0xa26d_a399_9aef_774a, 322), (0xf209_787b_b47d_6b85, 348),
    (0xb454_e4a1_79dd_1877, 375), (0x865b_8692_5b9b_c5c2, 402), (0xc835_53c5_c896_5d3d, 428),
    (0x952a_b45c_fa97_a0b3, 455), (0xde46_9fbd_99a0_5fe3, 481), (0xa59b_c234_db39_8c25, 508),
    (0xf6c6_9a72_a398_9f5c, 534), (0xb7dc_bf53_54e9_bece, 561), (0x88fc_f317_f222_41e2, 588),
    (0xcc20_ce9b_d35c_78a5, 614), (0x9816_5af3_7b21_53df, 641), (0xe2a0_b5dc_971f_303a, 667),
    (0xa8d9_d153_5ce3_b396, 694), (0xfb9b_7cd9_a4a7_443c, 720), (0xbb76_4c4c_a7a4_4410, 747),
    (0x8bab_8eef_b640_9c1a, 774), (0xd01f_ef10_a657_842c, 800), (0x9b10_a4e5_e991_3129, 827),
    (0xe710_9bfb_a19c_0c9d, 853), (0xac28_20d9_623b_f429, 880), (0x8044_4b5e_7aa7_cf85, 907),
    (0xbf21_e440_03ac_dd2d, 933), (0x8e67_9c2f_5e44_ff8f, 960), (0xd433_179d_9c8c_b841, 986),
    (0x9e19_db92_b4e3_1ba9, 1013), (0xeb96_bf6e_badf_77d9, 1039), (0xaf87_023b_9bf0_ee6b, 1066),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn as_ruby_prints_them() {
        // Measured with json 3.1.0.
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (-2.5, "-2.5"),
            (123.456, "123.456"),
            (1_795_305_991.439_716, "1795305991.439716"),
            (0.000_000_1, "0.0000001"),
            (1.5e-9, "0.0000000015"),
            (9.9e-10, "9.9e-10"),
            (1e14, "100000000000000.0"),
            (-1.234_567_890_123_456_8e17, "-1.2345678901234568e+17"),
            (100.0, "100.0"),
            (0.000_15, "0.00015"),
            (1e-9, "0.000000001"),
            (1e-10, "1e-10"),
            (999_999_999_999_999.9, "999999999999999.9"),
            (1e15, "1e+15"),
            (1_000_000_000_000_000.1, "1000000000000000.1"),
            (1.5e16, "1.5e+16"),
            (1e23, "9.999999999999999e+22"),
            (7.9579e20, "7.957900000000001e+20"),
            (-8.508_724_725_893_63e92, "-8.508724725893631e+92"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ];
        for (number, expected) in cases {
            assert_eq!(text(number), expected);
        }
    }

    #[test]
    fn every_power_of_two_reads_back() {
        for exponent in -1074..=1023_i32 {
            for number in [2_f64.powi(exponent), 2_f64.powi(exponent).next_up(), 2_f64.powi(exponent).next_down()] {
                assert_eq!(text(number).parse(), Ok(number));
            }
        }
    }
}

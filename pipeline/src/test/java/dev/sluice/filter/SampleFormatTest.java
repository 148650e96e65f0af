// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class SampleFormatTest {

    @ParameterizedTest
    @CsvSource({
        "S8, ff, -1",
        "S8, 7f, 127",
        "U8, ff, 255",
        "S16, 8000, -32768",
        "S16, 0102, 258",
        "U16, 8000, 32768",
        "S24, 800000, -8388608",
        "S24, 010203, 66051",
        "U24, fffefd, 16776957",
        "S32, 80000000, -2147483648",
        "S32, 01020304, 16909060",
        "U32, fffefdfc, 4294901244",
        "F32, 3fc00000, 1.5",
        "F32, ff800000, -Infinity",
        "F32, 7fc00000, NaN"
    })
    void readsASampleAtAnyPlaceInEitherOrder(SampleFormat format, String mostSignificantFirst, Double value) {
        byte[] big = HexFormat.of().parseHex("55" + mostSignificantFirst + "55");
        byte[] little = big.clone();
        for (int i = 0; i < big.length; i++) {
            little[i] = big[big.length - 1 - i];
        }
        assertThat(format.bytes()).isEqualTo(big.length - 2);
        assertThat(format.read(MemorySegment.ofArray(big), 1, SampleFormat.Order.BIG))
                .isEqualTo(value);
        assertThat(format.read(MemorySegment.ofArray(little), 1, SampleFormat.Order.LITTLE))
                .isEqualTo(value);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.RandomCases;
import dev.sluice.testkit.FilterTester;
import dev.sluice.testkit.FilterTester.Output;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class TagTest {

    @Test
    void setsTheFlagOfFramesWithASampleBeyondTheValue() {
        try (FilterTester tester = FilterTester.of(new Tag.Factory(), "format = s8, above = 5, below = -5, flag = 7")) {
            assertThat(tester.frame(new byte[] {5, -5, 0}).getFirst().tags()).isZero();
            assertThat(tester.frame(new byte[] {0, 6, 0}).getFirst().tags()).isEqualTo(1 << 7);
            assertThat(tester.frame(new byte[] {-6, 0, 0}).getFirst().tags()).isEqualTo(1 << 7);
            assertThat(tester.frame(new byte[] {0}).getFirst().tags()).isZero();
        }
    }

    @Test
    void keepsEverythingAndTagsWhereASampleEnds() {
        RandomCases.run(1000, random -> {
            RandomStream stream = new RandomStream(random);
            int unitBytes = 2 * random.nextInt(1, 4);
            int channel = random.nextInt(unitBytes / 2);
            int above = random.nextInt(0xffff);
            List<Integer> expected = new ArrayList<>();
            for (RandomStream.Piece piece : stream.pieces) {
                expected.add(
                        stream.units(unitBytes).stream()
                                        .filter(at -> at + unitBytes > piece.start() && at + unitBytes <= piece.end())
                                        .anyMatch(at -> stream.sample(
                                                        at + 2 * channel, SampleFormat.U16, SampleFormat.Order.BIG)
                                                > above)
                                ? 8
                                : 0);
            }
            String settings = "format = u16, byte-order = big, flag = 3, above = " + above + ", channels = "
                    + unitBytes / 2 + ", channel = " + channel;
            try (FilterTester tester =
                    FilterTester.of(new Tag.Factory(), settings, 16, RandomStream.MOST_FRAME_BYTES)) {
                List<Output> outputs = stream.feed(tester);
                assertThat(outputs).extracting(Output::tags).isEqualTo(expected);
                for (int i = 0; i < outputs.size(); i++) {
                    assertThat(outputs.get(i).bytes())
                            .isEqualTo(stream.pieces.get(i).bytes());
                }
            }
        });
    }

    @ParameterizedTest
    @CsvSource({
        "above = 0, -0.0, 0",
        "above = -0.0, 0, 0",
        "below = 0, -0.0, 0",
        "below = -0.0, 0, 0",
        "above = 0, 1e-45, 1",
        "below = 0, -1e-45, 1",
        "above = 0.1, 0.1, 1",
        "below = 0.1, 0.1, 0",
        "above = 0, NaN, 0",
        "below = 0, NaN, 0",
        "above = 3e38, Infinity, 1",
        "below = 0, Infinity, 0",
        "below = -3e38, -Infinity, 1"
    })
    void floatsAreComparedAsNumbersAndNotAsBits(String setting, float sample, int tags) {
        try (FilterTester tester = FilterTester.of(new Tag.Factory(), "format = f32, flag = 0, " + setting)) {
            for (int place = 0; place < 40; place++) {
                ByteBuffer frame = ByteBuffer.allocate(160).order(ByteOrder.LITTLE_ENDIAN);
                for (int i = 0; i < 40; i++) {
                    frame.putFloat(i == place ? sample : setting.startsWith("above") ? -1 : 1);
                }
                assertThat(tester.frame(frame.array()).getFirst().tags()).isEqualTo(tags);
            }
        }
    }

    @Test
    void badSettingsAreProblems() {
        assertThat(problems("above = 1, flag = 8")).containsExactly("filters.tested.flag is 8; it must be from 0 to 7");
        assertThat(problems("flag = 1"))
                .containsExactly(
                        "filters.tested.above or below must be written, or both: the value that a sample must pass");
        assertThat(problems("above = 1"))
                .hasSize(1)
                .first()
                .asString()
                .startsWith("filters.tested has no flag; write ");
    }

    private static List<String> problems(String settings) {
        return FilterTester.problems(new Tag.Factory(), settings);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.RandomCases;
import dev.sluice.testkit.FilterTester;
import dev.sluice.testkit.FilterTester.Output;
import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

final class WindowTest {

    /** The numbers from 0 on: a byte tells where it came from. */
    private static byte[] counting(int size) {
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++) {
            bytes[i] = (byte) i;
        }
        return bytes;
    }

    private static List<String> slices(String settings, int size) {
        try (FilterTester tester = FilterTester.of(new Window.Factory(), settings)) {
            return tester.frame(counting(size)).stream()
                    .flatMap(output -> output.slices().stream())
                    .map(slice -> slice.offset() + "+" + slice.bytes().length)
                    .toList();
        }
    }

    @Test
    void keepsAWindowEverySoManyBytesCutAtTheEnd() {
        assertThat(slices("offset = 10, length = 4, every = 20", 52)).containsExactly("10+4", "30+4", "50+2");
        assertThat(slices("length = 2, every = 3", 4)).as("offset is 0").containsExactly("0+2", "3+1");
    }

    @Test
    void keepsNothingOfAFrameThatEndsBeforeTheFirstWindow() {
        assertThat(slices("offset = 10, length = 4, every = 20", 10)).isEmpty();
        assertThat(slices("offset = 9223372036854775807, length = 4, every = 20", 10))
                .isEmpty();
    }

    @Test
    void aWindowThatNeverEndsIsTheRestOfTheFrame() {
        String endless = Long.toString(Long.MAX_VALUE);
        assertThat(slices("offset = 3, length = " + endless + ", every = " + endless, 10))
                .containsExactly("3+7");
    }

    @Test
    void keepsExactlyTheBytesOfTheDefinition() {
        RandomCases.run(1000, random -> {
            int offset = random.nextInt(50);
            int every = random.nextInt(1, 50);
            int length = random.nextInt(1, every + 1);
            RandomStream stream = new RandomStream(random);
            ByteArrayOutputStream expected = new ByteArrayOutputStream();
            for (RandomStream.Piece piece : stream.pieces) {
                for (int at = offset; at < piece.bytes().length; at++) {
                    if ((at - offset) % every < length) {
                        expected.write(piece.bytes()[at]);
                    }
                }
            }
            ByteArrayOutputStream kept = new ByteArrayOutputStream();
            String settings = "offset = " + offset + ", length = " + length + ", every = " + every;
            try (FilterTester tester =
                    FilterTester.of(new Window.Factory(), settings, 16, RandomStream.MOST_FRAME_BYTES)) {
                stream.feed(tester).stream().map(Output::bytes).forEach(kept::writeBytes);
            }
            assertThat(kept.toByteArray()).isEqualTo(expected.toByteArray());
        });
    }

    @Test
    void windowsThatOverlapOrAreEmptyAreProblems() {
        assertThat(problems("length = 4, every = 3"))
                .containsExactly("filters.tested.every is 3, shorter than length = 4: windows would overlap");
        assertThat(problems("length = 0, every = 3"))
                .containsExactly("filters.tested.length is 0; it must be at least 1");
        assertThat(problems("every = 3"))
                .hasSize(1)
                .first()
                .asString()
                .startsWith("filters.tested has no length; write ");
    }

    private static List<String> problems(String settings) {
        return FilterTester.problems(new Window.Factory(), settings);
    }

    @Test
    void theFiltersThatShipAreFoundByTheirTypes() {
        List<String> types = ServiceLoader.load(FilterFactory.class).stream()
                .map(provider -> provider.get().type())
                .toList();
        assertThat(types).contains("channels", "every", "limit", "tag", "threshold", "window");
    }
}

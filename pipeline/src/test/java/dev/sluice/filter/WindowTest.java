// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.RandomCases;
import dev.sluice.testkit.FilterTester;
import java.util.BitSet;
import java.util.List;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

final class WindowTest {

    private record Slice(long offset, long length) {}

    private static List<Slice> keep(Window window, int size) {
        try (FilterTester tester = FilterTester.of(window)) {
            return tester.frame(new byte[size]).stream()
                    .flatMap(frame -> frame.slices().stream())
                    .map(slice -> new Slice(slice.offset(), slice.bytes().length))
                    .toList();
        }
    }

    @Test
    void keepsAWindowEverySoManyBytesCutAtTheEnd() {
        assertThat(keep(new Window(10, 4, 20), 52))
                .containsExactly(new Slice(10, 4), new Slice(30, 4), new Slice(50, 2));
    }

    @Test
    void keepsNothingOfAFrameThatEndsBeforeTheFirstWindow() {
        assertThat(keep(new Window(10, 4, 20), 10)).isEmpty();
        assertThat(keep(new Window(Long.MAX_VALUE, 4, 20), 10)).isEmpty();
    }

    @Test
    void aWindowThatNeverEndsIsTheRestOfTheFrame() {
        assertThat(keep(new Window(3, Long.MAX_VALUE, Long.MAX_VALUE), 10)).containsExactly(new Slice(3, 7));
    }

    @Test
    void keepsExactlyTheBytesOfTheDefinition() {
        RandomCases.run(500, random -> {
            int size = random.nextInt(1, 200);
            int offset = random.nextInt(50);
            int every = random.nextInt(1, 50);
            int length = random.nextInt(1, every + 1);
            BitSet expected = new BitSet();
            for (int at = offset; at < size; at++) {
                expected.set(at, (at - offset) % every < length);
            }
            BitSet kept = new BitSet();
            for (Slice slice : keep(new Window(offset, length, every), size)) {
                kept.set((int) slice.offset(), (int) (slice.offset() + slice.length()));
            }
            assertThat(kept).isEqualTo(expected);
        });
    }

    @Test
    void isFoundByItsTypeAndReadFromItsSettings() {
        assertThat(problems("offset = 1KiB, length = 2, every = 3")).isEmpty();
        assertThat(problems("length = 2, every = 3")).isEmpty();
        try (FilterTester tester = FilterTester.of(factory(), "length = 2, every = 3")) {
            assertThat(tester.frame(new byte[] {1, 2, 3, 4}).getFirst().bytes()).containsExactly(1, 2, 4);
        }
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

    private static FilterFactory factory() {
        return ServiceLoader.load(FilterFactory.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(factory -> factory.type().equals("window"))
                .findFirst()
                .orElseThrow();
    }

    private static List<String> problems(String text) {
        return FilterTester.problems(factory(), text);
    }
}

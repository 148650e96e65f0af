// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import dev.sluice.RandomCases;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.ServiceLoader;
import org.junit.jupiter.api.Test;

final class WindowTest {

    private record Slice(long offset, long length) {}

    /** A frame of which only the size is asked. */
    private record SizedFrame(long size) implements Frame {
        @Override
        public int sliceCount() {
            return 1;
        }

        @Override
        public long sliceOffset(int index) {
            return 0;
        }

        @Override
        public long sliceLength(int index) {
            return size;
        }

        @Override
        public MemorySegment memory() {
            throw new AssertionError("a window needs no bytes");
        }

        @Override
        public long sequence() {
            return 0;
        }

        @Override
        public long timeNanos() {
            return 0;
        }

        @Override
        public long sourceOffset() {
            return 0;
        }

        @Override
        public long lostBytes() {
            return 0;
        }
    }

    private static List<Slice> keep(Window window, long size) {
        List<Slice> kept = new ArrayList<>();
        window.filter(new SizedFrame(size), (offset, length) -> kept.add(new Slice(offset, length)));
        return kept;
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
        assertThat(keep(new Window(0, 1, 1), 0)).isEmpty();
    }

    @Test
    void aWindowThatNeverEndsIsTheRestOfTheFrame() {
        assertThat(keep(new Window(3, Long.MAX_VALUE, Long.MAX_VALUE), 10)).containsExactly(new Slice(3, 7));
    }

    @Test
    void keepsExactlyTheBytesOfTheDefinition() {
        RandomCases.run(2000, random -> {
            int size = random.nextInt(200);
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
        FilterFactory factory = factory();
        Settings settings =
                new Settings("filters.w", parse("length = 2, every = 3"), parse("offset = 0"), new Problems());
        Filter made = factory.configure(settings).get();
        List<Slice> kept = new ArrayList<>();
        assertThat(made).isInstanceOf(Window.class);
        ((Window) made).filter(new SizedFrame(4), (offset, length) -> kept.add(new Slice(offset, length)));
        assertThat(kept).containsExactly(new Slice(0, 2), new Slice(3, 1));
    }

    @Test
    void windowsThatOverlapOrAreEmptyAreProblems() {
        assertThat(problems("length = 4, every = 3"))
                .containsExactly("filters.w.every is 3, shorter than length = 4: windows would overlap");
        assertThat(problems("length = 0, every = 3")).containsExactly("filters.w.length is 0; it must be at least 1");
        assertThat(problems("every = 3")).hasSize(1).first().asString().startsWith("filters.w has no length; write ");
    }

    private static FilterFactory factory() {
        return ServiceLoader.load(FilterFactory.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(factory -> factory.type().equals("window"))
                .findFirst()
                .orElseThrow();
    }

    private static ConfigObject parse(String text) {
        return ConfigFactory.parseString(text).root();
    }

    private static List<String> problems(String text) {
        Problems problems = new Problems();
        Settings settings = new Settings("filters.w", parse(text), parse("offset = 0"), problems);
        factory().configure(settings);
        settings.finish();
        return problems.sorted().stream().map(Problems.Problem::text).toList();
    }
}

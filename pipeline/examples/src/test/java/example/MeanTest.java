// SPDX-License-Identifier: Apache-2.0
package example;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.sluice.testkit.FilterTester;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class MeanTest {

    private static final long NOW = 0;

    private static byte[] samples(int... values) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int value : values) {
            bytes.putShort((short) value);
        }
        return bytes.array();
    }

    private static byte[] all(List<FilterTester.Output> outputs) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        outputs.forEach(output -> all.writeBytes(output.bytes()));
        return all.toByteArray();
    }

    @Test
    void sendsTheMeanOfEverySoManySamples() {
        try (FilterTester tester = FilterTester.of(new Mean.Factory(), "samples = 2")) {
            assertArrayEquals(
                    samples(20, -20, Short.MIN_VALUE, Short.MAX_VALUE),
                    all(tester.frame(samples(10, 30, -30, -10, -32768, -32768, 32767, 32767))));
        }
    }

    @Test
    void countsOnFromFrameToFrame() {
        try (FilterTester tester = FilterTester.of(new Mean.Factory(), "samples = 3")) {
            assertEquals(List.of(), tester.frame(samples(1, 2)));
            assertArrayEquals(samples(2), all(tester.frame(samples(3, 4))));
            assertArrayEquals(samples(5), all(tester.frame(samples(5, 6))));
        }
    }

    @Test
    void joinsASampleThatTwoFramesShare() {
        byte[] bytes = samples(-300, 300);
        try (FilterTester tester = FilterTester.of(new Mean.Factory(), "samples = 1")) {
            assertArrayEquals(samples(-300), all(tester.frame(Arrays.copyOf(bytes, 3))));
            assertArrayEquals(samples(300), all(tester.frame(Arrays.copyOfRange(bytes, 3, 4))));
        }
    }

    @Test
    void beginsAnewAtAGap() {
        try (FilterTester tester = FilterTester.of(new Mean.Factory(), "samples = 2")) {
            tester.frame(samples(1000));
            assertArrayEquals(samples(3), all(tester.frame(samples(2, 4), 4096)));
        }
    }

    @Test
    void hasADefaultAndRefusesNonsense() {
        assertEquals(List.of(), FilterTester.problems(new Mean.Factory(), ""));
        assertEquals(
                List.of("filters.tested.samples is 0; it must be from 1 to 2147483647"),
                FilterTester.problems(new Mean.Factory(), "samples = 0"));
        assertEquals(
                List.of("filters.tested.sampels is not a setting here; known are samples (did you mean \"samples\"?)"),
                FilterTester.problems(new Mean.Factory(), "sampels = 3"));
    }

    @Test
    void agreesWithANaiveMeanWhateverTheFrames() {
        long seed = Long.getLong("seed", System.nanoTime());
        for (int run = 0; run < 50; run++) {
            Random random = new Random(seed + run);
            int samples = 1 + random.nextInt(100);
            byte[] stream = new byte[1 + random.nextInt(20_000)];
            random.nextBytes(stream);
            ByteArrayOutputStream means = new ByteArrayOutputStream();
            ByteArrayOutputStream expected = new ByteArrayOutputStream();
            try (FilterTester tester = FilterTester.of(new Mean.Factory(), "samples = " + samples, 8, 4096)) {
                int begin = 0;
                for (int at = 0; at < stream.length; ) {
                    int end = Math.min(stream.length, at + 1 + random.nextInt(4096));
                    boolean gap = random.nextInt(10) == 0;
                    if (gap) {
                        expected.writeBytes(naive(Arrays.copyOfRange(stream, begin, at), samples));
                        begin = at;
                    }
                    int cut = at + random.nextInt(end - at);
                    byte[] rest = Arrays.copyOfRange(stream, cut, end);
                    means.writeBytes(all(
                            cut == at
                                    ? tester.frame(gap ? 7 : 0, NOW, rest)
                                    : tester.frame(gap ? 7 : 0, NOW, Arrays.copyOfRange(stream, at, cut), rest)));
                    at = end;
                }
                expected.writeBytes(naive(Arrays.copyOfRange(stream, begin, stream.length), samples));
                means.writeBytes(all(tester.finish()));
            }
            assertArrayEquals(expected.toByteArray(), means.toByteArray(), "-Dseed=" + seed + ", run " + run);
        }
    }

    private static byte[] naive(byte[] stream, int samples) {
        ByteBuffer from = ByteBuffer.wrap(stream).order(ByteOrder.LITTLE_ENDIAN);
        ByteArrayOutputStream means = new ByteArrayOutputStream();
        while (from.remaining() >= 2 * samples) {
            long sum = 0;
            for (int i = 0; i < samples; i++) {
                sum += from.getShort();
            }
            means.writeBytes(samples((int) (sum / samples)));
        }
        return means.toByteArray();
    }
}

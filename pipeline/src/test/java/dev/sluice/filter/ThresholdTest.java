// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.RandomCases;
import dev.sluice.testkit.FilterTester;
import dev.sluice.testkit.FilterTester.Output;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

final class ThresholdTest {

    private static FilterTester tester(String settings) {
        return FilterTester.of(new Threshold.Factory(), settings);
    }

    private static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    private static List<byte[]> contents(List<Output> outputs) {
        return outputs.stream().map(Output::bytes).toList();
    }

    @Test
    void keepsWhatTriggersWithWhatIsAroundIt() {
        try (FilterTester tester = tester("format = u8, above = 9, before = 2, after = 1")) {
            assertThat(contents(tester.frame(bytes(0, 1, 2, 10, 3, 4, 5))))
                    .as("what follows may still need its last two bytes")
                    .isEmpty();
            assertThat(contents(tester.frame(bytes(6, 11, 7, 8, 9)))).containsExactly(bytes(1, 2, 10, 3, 5));
            assertThat(contents(tester.finish())).containsExactly(bytes(6, 11, 7));
        }
    }

    @Test
    void whatIsToBeKeptAfterATriggerGoesOnInLaterFrames() {
        try (FilterTester tester = tester("format = u8, above = 9, after = 5")) {
            assertThat(contents(tester.frame(bytes(0, 10, 1)))).containsExactly(bytes(10, 1));
            assertThat(contents(tester.frame(bytes(2, 3)))).containsExactly(bytes(2, 3));
            assertThat(contents(tester.frame(bytes(4, 5, 6)))).containsExactly(bytes(4, 5));
            assertThat(contents(tester.frame(bytes(7)))).isEmpty();
        }
    }

    @Test
    void framesDoNotWaitIfNothingBeforeATriggerIsKept() {
        try (FilterTester tester = tester("above = 9")) {
            assertThat(tester.frame(bytes(10, 0, 1, 0))).hasSize(1);
            assertThat(tester.frame(bytes(10, 0, 1))).as("half a sample").hasSize(0);
            assertThat(contents(tester.frame(bytes(1, 0, 0)))).containsExactly(bytes(10, 0, 1), bytes(1));
        }
    }

    @Test
    void nothingIsKeptOnTheOtherSideOfAGap() {
        try (FilterTester tester = tester("format = u8, above = 9, before = 2, after = 2")) {
            assertThat(contents(tester.frame(bytes(0, 1, 10)))).containsExactly(bytes(0, 1, 10));
            assertThat(tester.frame(bytes(2, 3, 4, 5), 7)).isEmpty();
            List<Output> outputs = tester.frame(bytes(11), 7);
            assertThat(contents(outputs)).containsExactly(bytes(11));
            assertThat(outputs.getFirst().lostBytes()).isEqualTo(14);
        }
    }

    @Test
    void bytesAroundATriggerAreRoundedUpToWholeSamples() {
        try (FilterTester tester = tester("format = s16, byte-order = big, above = 9, before = 1, after = 3")) {
            List<Output> outputs = tester.frame(bytes(0, 1, 0, 2, 0, 10, 0, 3, 0, 4, 0, 5));
            outputs.addAll(tester.finish());
            assertThat(contents(outputs)).containsExactly(bytes(0, 2, 0, 10, 0, 3, 0, 4));
        }
    }

    @Test
    void oneChannelOfSeveralIsJudgedAndAllAreKept() {
        try (FilterTester tester = tester("format = u8, above = 9, channels = 3, channel = 1")) {
            assertThat(contents(tester.frame(bytes(10, 1, 10, 2, 10, 2, 10, 3, 10))))
                    .containsExactly(bytes(2, 10, 2));
        }
    }

    @Test
    void bytesBeforeATriggerAreThoseThatTheRingCanSpare() {
        try (FilterTester tester =
                FilterTester.of(new Threshold.Factory(), "format = u8, above = 9, before = 1KiB", 16, 1)) {
            List<Output> outputs = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                outputs.addAll(tester.frame(bytes(i == 50 ? 10 : 0)));
            }
            outputs.addAll(tester.finish());
            assertThat(outputs).extracting(Output::sequence).containsExactly(46L, 47L, 48L, 49L, 50L);
        }
    }

    /** Any format, any settings, any frames and slices: what is kept is what a loop over samples would keep. */
    @Test
    void keepsExactlyTheBytesOfTheDefinition() {
        RandomCases.run(2000, random -> {
            RandomStream stream = new RandomStream(random);
            SampleFormat format = anyOf(random, SampleFormat.values());
            SampleFormat.Order order = anyOf(random, SampleFormat.Order.values());
            int channels = random.nextInt(3) == 0 ? random.nextInt(1, 5) : 1;
            int channel = random.nextInt(channels);
            int unitBytes = channels * format.bytes();
            int before = random.nextBoolean() ? 0 : random.nextInt(40);
            int after = random.nextBoolean() ? 0 : random.nextInt(random.nextBoolean() ? 40 : 5000);
            double above = limit(random, stream, format, order, false);
            double below = random.nextBoolean()
                    ? Double.NEGATIVE_INFINITY
                    : Math.min(above, limit(random, stream, format, order, true));
            boolean onlyBelow = Double.isFinite(below) && random.nextInt(4) == 0;
            String settings = "format = " + format.name().toLowerCase(Locale.ROOT)
                    + ", byte-order = " + order.name().toLowerCase(Locale.ROOT)
                    + ", channels = " + channels + ", channel = " + channel
                    + ", before = " + before + ", after = " + after
                    + (onlyBelow ? "" : ", above = " + above)
                    + (Double.isFinite(below) ? ", below = " + below : "");
            BitSet expected = new BitSet();
            for (RandomStream.Stretch stretch : stream.stretches(unitBytes)) {
                int first = stretch.start() + (unitBytes - stretch.phase()) % unitBytes;
                int end = first + Math.max(0, stretch.end() - first) / unitBytes * unitBytes;
                for (int at = first; at < end; at += unitBytes) {
                    double sample = stream.sample(at + channel * format.bytes(), format, order);
                    if ((!onlyBelow && sample > above) || sample < below) {
                        int from = Math.max(first, at - (before + unitBytes - 1) / unitBytes * unitBytes);
                        int to = at + unitBytes + (after + unitBytes - 1) / unitBytes * unitBytes;
                        expected.set(from, Math.min(end, to));
                    }
                }
            }
            try (FilterTester tester =
                    FilterTester.of(new Threshold.Factory(), settings, 256, RandomStream.MOST_FRAME_BYTES)) {
                assertThat(told(stream.feed(tester))).as(settings).isEqualTo(told(stream, expected));
            }
        });
    }

    private static <T> T anyOf(RandomGenerator random, T[] values) {
        return values[random.nextInt(values.length)];
    }

    /** A value of the stream, so that it is passed by many samples, or few, or just one. */
    private static double limit(
            RandomGenerator random, RandomStream stream, SampleFormat format, SampleFormat.Order order, boolean low) {
        double[] samples = stream.units(format.bytes()).stream()
                .mapToDouble(at -> stream.sample(at, format, order))
                .filter(Double::isFinite)
                .sorted()
                .toArray();
        if (samples.length == 0) {
            return 0;
        }
        double share = 1 - Math.pow(random.nextDouble(), random.nextInt(1, 5));
        int index = (int) (share * samples.length);
        double value = samples[Math.min(samples.length - 1, low ? samples.length - 1 - index : index)];
        return random.nextInt(4) == 0 && value + 0.5 < format.most() ? value + 0.5 : value;
    }

    private static List<String> told(List<Output> outputs) {
        return outputs.stream()
                .map(output -> told(output.sequence(), output.lostBytes(), output.bytes()))
                .toList();
    }

    private static List<String> told(RandomStream stream, BitSet kept) {
        List<String> told = new ArrayList<>();
        long lost = 0;
        for (int sequence = 0; sequence < stream.pieces.size(); sequence++) {
            RandomStream.Piece piece = stream.pieces.get(sequence);
            lost += piece.lostBytes();
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            for (int at = piece.start(); at < piece.end(); at++) {
                if (kept.get(at)) {
                    bytes.write(stream.all[at]);
                }
            }
            if (bytes.size() > 0) {
                told.add(told(sequence, lost, bytes.toByteArray()));
                lost = 0;
            }
        }
        return told;
    }

    private static String told(long sequence, long lostBytes, byte[] bytes) {
        return "frame " + sequence + ", " + lostBytes + " lost, "
                + HexFormat.of().formatHex(bytes);
    }

    @Test
    void badSettingsAreProblems() {
        assertThat(problems(""))
                .containsExactly(
                        "filters.tested.above or below must be written, or both: the value that a sample must pass");
        assertThat(problems("above = 1, below = 2"))
                .containsExactly("filters.tested.below is more than above, so every sample would trigger; write a value"
                        + " of at most above");
        assertThat(problems("above = 32768"))
                .containsExactly("filters.tested.above is 32768.0; it must be from -32768.0 to 32767.0");
        assertThat(problems("below = -1, format = u32"))
                .containsExactly("filters.tested.below is -1.0; it must be from 0.0 to 4.294967295E9");
        assertThat(problems("above = 1, channels = 2, channel = 2"))
                .containsExactly("filters.tested.channel is 2; with channels = 2 the last is 1");
        assertThat(problems("above = 1, format = s12"))
                .containsExactly("filters.tested.format is \"s12\"; write one of s8, u8, s16, u16, s24, u24, s32, u32,"
                        + " f32 (did you mean \"s16\"?)");
        assertThat(problems("above = 1, before = -1, after = 2TiB"))
                .containsExactly(
                        "filters.tested.before is -1; it must be from 0 to 1099511627776",
                        "filters.tested.after is 2199023255552; it must be from 0 to 1099511627776");
        assertThat(problems("above = 1, below = 1")).isEmpty();
    }

    private static List<String> problems(String settings) {
        return FilterTester.problems(new Threshold.Factory(), settings);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.RandomCases;
import dev.sluice.testkit.FilterTester;
import dev.sluice.testkit.FilterTester.Output;
import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class ChannelsTest {

    private static List<Output> kept(String settings, byte[] bytes) {
        try (FilterTester tester = FilterTester.of(new Channels.Factory(), settings)) {
            return tester.frame(bytes);
        }
    }

    private static final byte[] TWO_TURNS = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

    @Test
    void channelsThatLieApartArePacked() {
        Output output = kept("channels = 4, pick = [0, 2]", TWO_TURNS).getFirst();
        assertThat(output.bytes()).containsExactly(0, 1, 4, 5, 8, 9, 12, 13);
        assertThat(output.slices()).extracting(FilterTester.Slice::emitted).containsExactly(true);
    }

    @Test
    void longRunsGoOnAsSlices() {
        Output output =
                kept("channels = 4, pick = [0, 3], pack-below = 4", TWO_TURNS).getFirst();
        assertThat(output.bytes()).containsExactly(0, 1, 6, 7, 8, 9, 14, 15);
        assertThat(output.slices())
                .as("the last of a turn and the first of the next are one")
                .extracting(FilterTester.Slice::offset)
                .containsExactly(0L, 6L, 14L);
        assertThat(output.slices()).extracting(FilterTester.Slice::emitted).containsOnly(false);
    }

    @Test
    void allChannelsGoOnAsOneSlice() {
        Output output = kept("channels = 2, pick = [0, 1]", TWO_TURNS).getFirst();
        assertThat(output.slices()).hasSize(1);
        assertThat(output.slices().getFirst().emitted()).isFalse();
        assertThat(output.bytes()).isEqualTo(TWO_TURNS);
    }

    @Test
    void aFrameWithNothingOfTheChannelIsDropped() {
        try (FilterTester tester = FilterTester.of(new Channels.Factory(), "channels = 2, pick = 1, sample-size = 2")) {
            assertThat(tester.frame(new byte[] {0, 1})).isEmpty();
            assertThat(tester.frame(new byte[] {2}).getFirst().bytes()).containsExactly(2);
            assertThat(tester.frame(new byte[] {3, 4}).getFirst().bytes()).containsExactly(3);
        }
    }

    @Test
    void keepsExactlyTheBytesOfTheDefinition() {
        RandomCases.run(3000, random -> {
            RandomStream stream = new RandomStream(random);
            int channels = random.nextInt(1, 9);
            int sampleBytes = random.nextInt(3) == 0 ? random.nextInt(1, 200) : random.nextInt(1, 9);
            boolean[] picked = new boolean[channels];
            for (int channel = 0; channel < channels; channel++) {
                picked[channel] = random.nextBoolean();
            }
            picked[random.nextInt(channels)] = true;
            List<Integer> pick = IntStream.range(0, channels)
                    .filter(channel -> picked[channel])
                    .boxed()
                    .toList();
            String settings = "channels = " + channels + ", sample-size = " + sampleBytes + ", pick = " + pick
                    + (random.nextBoolean() ? ", pack-below = " + random.nextInt(100) : "");
            try (FilterTester tester =
                    FilterTester.of(new Channels.Factory(), settings, 16, RandomStream.MOST_FRAME_BYTES)) {
                List<Output> outputs = stream.feed(tester);
                int next = 0;
                long position = 0;
                for (int sequence = 0; sequence < stream.pieces.size(); sequence++) {
                    RandomStream.Piece piece = stream.pieces.get(sequence);
                    position += piece.lostBytes();
                    ByteArrayOutputStream expected = new ByteArrayOutputStream();
                    for (byte value : piece.bytes()) {
                        if (picked[(int) (position++ / sampleBytes % channels)]) {
                            expected.write(value);
                        }
                    }
                    if (expected.size() > 0) {
                        Output output = outputs.get(next++);
                        assertThat(output.sequence()).as(settings).isEqualTo(sequence);
                        assertThat(output.bytes()).as(settings).isEqualTo(expected.toByteArray());
                    }
                }
                assertThat(outputs).hasSize(next);
            }
        });
    }

    @Test
    void badSettingsAreProblems() {
        assertThat(problems("channels = 4, pick = [0, 4]"))
                .containsExactly("filters.tested.pick has 4; each must be from 0 to 3");
        assertThat(problems("channels = 4, pick = [2, 0]"))
                .containsExactly("filters.tested.pick has 0 after 2; channels stay in their order, so write each once"
                        + " and in rising order");
        assertThat(problems("channels = 4, pick = [1, 1]"))
                .containsExactly("filters.tested.pick has 1 after 1; channels stay in their order, so write each once"
                        + " and in rising order");
        assertThat(problems("channels = 4, pick = []")).containsExactly("filters.tested.pick is empty");
        assertThat(problems("channels = 4"))
                .containsExactly("filters.tested has no pick; write pick = a whole number or a list of whole numbers");
        assertThat(problems("channels = 0, pick = 0"))
                .containsExactly("filters.tested.channels is 0; it must be from 1 to 65536");
        assertThat(problems("channels = 1, pick = 0, sample-size = 0"))
                .containsExactly("filters.tested.sample-size is 0; it must be from 1 to 32767");
    }

    private static List<String> problems(String settings) {
        return FilterTester.problems(new Channels.Factory(), settings);
    }
}

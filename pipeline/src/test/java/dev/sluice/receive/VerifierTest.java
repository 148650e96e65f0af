// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.RandomCases;
import dev.sluice.device.Pattern;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

final class VerifierTest {

    private final Verifier verifier = new Verifier();

    /** The source's bytes from a position on. */
    private static byte[] source(long position, int count) {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) {
            long at = position + i;
            bytes[i] = (byte) (Pattern.word(at) >>> ((at & 7) * 8));
        }
        return bytes;
    }

    private static byte[] words(long... words) {
        ByteBuffer bytes = ByteBuffer.allocate(words.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (long word : words) {
            bytes.putLong(word);
        }
        return bytes.array();
    }

    private void check(Verifier.Run run, long position, byte[] bytes) {
        verifier.begin(run, position);
        verifier.check(ByteBuffer.wrap(bytes), true);
    }

    /** As the receiver does it: what was left in the buffer comes again, with more behind it. */
    private static void checkInChunks(Verifier tested, byte[] bytes, RandomGenerator random) {
        int start = 0;
        int end = 0;
        do {
            end = Math.min(bytes.length, end + random.nextInt(40));
            ByteBuffer chunk = ByteBuffer.wrap(bytes, start, end - start);
            tested.check(chunk, end == bytes.length);
            assertThat(chunk.remaining()).isLessThan(Long.BYTES);
            start = chunk.position();
        } while (end < bytes.length);
        assertThat(start).isEqualTo(bytes.length);
    }

    private static void assertCounts(Verifier tested, long verified, long wrong, long unchecked, long gap) {
        assertThat(tested)
                .extracting(v -> v.verifiedBytes(), v -> v.wrongBytes(), v -> v.uncheckedBytes(), v -> v.gapBytes())
                .containsExactly(verified, wrong, unchecked, gap);
    }

    @Test
    void aRightContiguousStreamPassesHoweverItIsCutAndWhereverItStarts() {
        RandomCases.run(1000, random -> {
            Verifier tested = new Verifier();
            long position = random.nextLong(1L << 40);
            int bytes = random.nextInt(300);
            tested.begin(Verifier.Run.CONTIGUOUS, position);
            checkInChunks(tested, source(position, bytes), random);
            assertCounts(tested, bytes, 0, 0, 0);
        });
    }

    @Test
    void aRightRawStreamPassesHoweverItIsCut() {
        RandomCases.run(1000, random -> {
            Verifier tested = new Verifier();
            int bytes = random.nextInt(300);
            tested.begin(Verifier.Run.UNKNOWN, 0);
            checkInChunks(tested, source(0, bytes), random);
            assertCounts(tested, bytes & -8, 0, bytes & 7, 0);
        });
    }

    @Test
    void aCutPayloadOfWholeWordsPassesHoweverItIsCut() {
        RandomCases.run(1000, random -> {
            Verifier tested = new Verifier();
            long position = random.nextLong(1L << 37) * 8;
            long[] words = new long[random.nextInt(40)];
            long word = position / 8;
            for (int i = 0; i < words.length; i++) {
                words[i] = word;
                word += random.nextInt(1, 5);
            }
            tested.begin(Verifier.Run.CUT, position);
            checkInChunks(tested, words(words), random);
            assertCounts(tested, words.length * 8L, 0, 0, 0);
        });
    }

    @Test
    void anyFlippedByteOfAContiguousStreamIsCounted() {
        RandomCases.run(1000, random -> {
            Verifier tested = new Verifier();
            long position = random.nextLong(1L << 40);
            byte[] bytes = source(position, random.nextInt(1, 200));
            int flipped = random.nextInt(bytes.length);
            bytes[flipped] ^= (byte) random.nextInt(1, 256);
            tested.begin(Verifier.Run.CONTIGUOUS, position);
            checkInChunks(tested, bytes, random);
            // A whole word is wrong as a whole; the bytes around the first and the last whole word count singly.
            assertThat(tested.wrongBytes()).isIn(1L, 8L);
            assertThat(tested.verifiedBytes()).isEqualTo(bytes.length);
        });
    }

    @Test
    void poisonIsWrongWhereverWordsAreKnown() {
        for (Verifier.Run run : EnumSet.complementOf(EnumSet.of(Verifier.Run.UNCHECKED))) {
            Verifier tested = new Verifier();
            tested.begin(run, 16);
            tested.check(ByteBuffer.wrap(words(2, Pattern.POISON, 4)), true);
            assertThat(tested.wrongBytes()).as("%s", run).isEqualTo(8);
        }
    }

    @Test
    void aWordTooLowIsWrongAndTheNextIsJudgedByThoseBefore() {
        check(Verifier.Run.UNKNOWN, 0, words(0, 1, 0, 2, 3));
        assertCounts(verifier, 40, 8, 0, 0);
        check(Verifier.Run.CUT, 80, words(10, 11, 11, 12, 9, 13));
        assertCounts(verifier, 88, 24, 0, 0);
    }

    @Test
    void aCutPayloadMustNotStartBeforeItsPosition() {
        check(Verifier.Run.CUT, 80, words(9));
        assertCounts(verifier, 8, 8, 0, 0);
    }

    @Test
    void aJumpAheadIsAGapOfARawStreamOnly() {
        check(Verifier.Run.UNKNOWN, 0, words(0, 1, 5, 6, 10));
        assertCounts(verifier, 40, 0, 0, (3 + 3) * 8);
        check(Verifier.Run.CUT, 0, words(0, 5));
        assertCounts(verifier, 56, 0, 0, (3 + 3) * 8);
        check(Verifier.Run.CONTIGUOUS, 0, words(0, 5));
        assertCounts(verifier, 72, 8, 0, (3 + 3) * 8);
    }

    @Test
    void aWordCutOffByTheEndIsNotChecked() {
        byte[] bytes = source(0, 21);
        check(Verifier.Run.UNKNOWN, 0, bytes);
        assertCounts(verifier, 16, 0, 5, 0);
        check(Verifier.Run.CUT, 0, Arrays.copyOf(bytes, 3));
        assertCounts(verifier, 16, 0, 8, 0);
    }

    @Test
    void aNewRunForgetsThePositionOfTheOneBefore() {
        check(Verifier.Run.CONTIGUOUS, 800, source(800, 16));
        check(Verifier.Run.CONTIGUOUS, 80, source(80, 16));
        assertCounts(verifier, 32, 0, 0, 0);
    }

    /** A window of 5 bytes every 16: the right bytes, but none of them is a whole word. */
    @Test
    void aPayloadCutWithinWordsIsCountedAsUnchecked() {
        byte[] kept = new byte[20];
        byte[] source = source(0, 64);
        for (int window = 0; window < 4; window++) {
            System.arraycopy(source, 3 + window * 16, kept, window * 5, 5);
        }
        check(Verifier.Run.UNCHECKED, 3, kept);
        assertCounts(verifier, 0, 0, kept.length, 0);
    }

    @Test
    void aWordBeyondTheLastPositionIsWrongAndNoGap() {
        check(Verifier.Run.UNKNOWN, 0, words(0, 1L << 60, Long.MAX_VALUE, 1));
        assertCounts(verifier, 32, 16, 0, 0);
        check(Verifier.Run.CUT, 0, words(Long.MAX_VALUE, 0));
        assertCounts(verifier, 48, 24, 0, 0);
    }

    @Test
    void gapsThatCannotBeAddedUpAreTheLargestThereIs() {
        for (int connection = 0; connection < 3; connection++) {
            check(Verifier.Run.UNKNOWN, 0, words((1L << 60) - 1));
        }
        assertCounts(verifier, 24, 0, 0, Long.MAX_VALUE);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.sluice.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.linux.Constants;
import dev.sluice.linux.Libc;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class BufferLedgerTest {

    private static final int BUFFERS = 3;

    private final FrameBatch batch = new FrameBatch(BUFFERS);
    private BufferLedger ledger;

    @BeforeEach
    void open() throws Exception {
        ledger = new BufferLedger(BUFFERS);
        ledger.start();
    }

    @AfterEach
    void close() {
        ledger.close();
    }

    private void armAll() {
        for (int buffer = 0; buffer < BUFFERS; buffer++) {
            ledger.arm(buffer);
        }
    }

    private void fill(int buffer) {
        ledger.fill(buffer, buffer * 100L, 10 + buffer);
    }

    private void assertStates(int free, int armed, int filled, int lent) {
        assertThat(ledger.counts())
                .extracting(
                        counts -> counts.free(),
                        counts -> counts.armed(),
                        counts -> counts.filled(),
                        counts -> counts.lent())
                .containsExactly(free, armed, filled, lent);
    }

    private boolean readable() {
        return Libc.poll(ledger.readyFd(), Constants.POLLIN, 0) != 0;
    }

    @Test
    void aBufferGoesFromHandToHand() {
        assertStates(3, 0, 0, 0);
        armAll();
        assertStates(0, 3, 0, 0);
        assertThat(ledger.armedNext()).isZero();
        fill(0);
        assertThat(ledger.armedNext()).isEqualTo(1);
        assertStates(0, 2, 1, 0);
        assertThat(ledger.lend(batch)).isEqualTo(1);
        assertStates(0, 2, 0, 1);
        assertThat(ledger.release(0)).isTrue();
        assertStates(1, 2, 0, 0);
        ledger.arm(0);
        assertStates(0, 3, 0, 0);
    }

    @Test
    void framesAreLentInTheOrderInWhichTheyWereFilled() {
        for (int buffer : new int[] {2, 0, 1}) {
            ledger.arm(buffer);
        }
        for (int buffer : new int[] {2, 0, 1}) {
            assertThat(ledger.armedNext()).isEqualTo(buffer);
            fill(buffer);
        }
        ledger.lend(batch);
        assertThat(batch.size()).isEqualTo(3);
        for (int i = 0; i < 3; i++) {
            int buffer = new int[] {2, 0, 1}[i];
            assertThat(batch.buffer(i)).isEqualTo(buffer);
            assertThat(batch.offset(i)).isEqualTo(buffer * 100L);
            assertThat(batch.bytes(i)).isEqualTo(10 + buffer);
            assertThat(batch.sequence(i)).isEqualTo(i);
            assertThat(batch.timeNanos(i)).isPositive();
        }
    }

    @Test
    void noMoreIsLentThanTheBatchHolds() {
        armAll();
        for (int buffer = 0; buffer < BUFFERS; buffer++) {
            fill(buffer);
        }
        FrameBatch small = new FrameBatch(2);
        assertThat(ledger.lend(small)).isEqualTo(2);
        assertStates(0, 0, 1, 2);
        assertThat(ledger.lend(small)).isEqualTo(1);
        assertThat(small.buffer(0)).isEqualTo(2);
    }

    @Test
    void onlyAFreeBufferIsArmed() {
        armAll();
        assertThatThrownBy(() -> ledger.arm(0)).hasMessage("buffer 0 is ARMED, not FREE");
        fill(0);
        assertThatThrownBy(() -> ledger.arm(0)).hasMessage("buffer 0 is FILLED, not FREE");
        ledger.lend(batch);
        assertThatThrownBy(() -> ledger.arm(0)).hasMessage("buffer 0 is LENT, not FREE");
        assertStates(0, 2, 0, 1);
    }

    @Test
    void onlyAnArmedBufferIsFilled() {
        assertThatThrownBy(() -> fill(0)).hasMessage("buffer 0 is FREE, not ARMED");
        ledger.arm(0);
        fill(0);
        assertThatThrownBy(() -> fill(0)).hasMessage("buffer 0 is FILLED, not ARMED");
        ledger.lend(batch);
        assertThatThrownBy(() -> fill(0)).hasMessage("buffer 0 is LENT, not ARMED");
        assertThat(ledger.counts().frames()).isEqualTo(1);
    }

    @Test
    void onlyTheBufferBeingWrittenIsFilled() {
        armAll();
        assertThatThrownBy(() -> fill(1)).isInstanceOf(IllegalStateException.class);
        assertThat(ledger.armedNext()).isZero();
        assertStates(0, 3, 0, 0);
    }

    @Test
    void onlyALentBufferIsReleased() {
        assertThat(ledger.release(0)).isFalse();
        armAll();
        assertThat(ledger.release(0)).isFalse();
        fill(0);
        assertThat(ledger.release(0)).isFalse();
        ledger.lend(batch);
        assertThat(ledger.release(0)).isTrue();
        assertThat(ledger.release(0)).isFalse();
        assertStates(1, 2, 0, 0);
    }

    @Test
    void aBufferThatDoesNotExistIsNotReleased() {
        assertThat(ledger.release(-1)).isFalse();
        assertThat(ledger.release(BUFFERS)).isFalse();
    }

    @Test
    void aHaltedEngineHasNoBuffersAndGetsNone() {
        armAll();
        fill(0);
        ledger.stop();
        assertThat(ledger.armedNext()).isEqualTo(-1);
        assertStates(2, 0, 1, 0);
        fill(1);
        ledger.arm(1);
        assertStates(2, 0, 1, 0);
        assertThat(ledger.lend(batch))
                .as("what was filled before is still lent")
                .isEqualTo(1);
    }

    @Test
    void lostBytesComeWithTheNextFrameAndInTheTotal() {
        armAll();
        ledger.lose(5, 100);
        ledger.lose(6, 100);
        fill(0);
        fill(1);
        ledger.lose(7, 100);
        fill(2);
        ledger.lose(8, 100);
        ledger.lend(batch);
        assertThat(new long[] {batch.lostBytes(0), batch.lostBytes(1), batch.lostBytes(2)})
                .containsExactly(11, 0, 7);
        assertThat(new long[] {batch.position(0), batch.position(1), batch.position(2)})
                .as("each begins where the one before ended, and behind what was lost")
                .containsExactly(11, 11 + 10, 11 + 10 + 11 + 7);
        assertThat(ledger.counts().lostBytes()).isEqualTo(26);
        assertThat(ledger.counts().starvedNanos()).isEqualTo(400);
        assertThat(ledger.counts().bytes()).isEqualTo(10 + 11 + 12);
    }

    @Test
    void itHasEndedWhenTheLastFrameWasLent() {
        ledger.arm(0);
        fill(0);
        assertThat(ledger.ended()).isFalse();
        ledger.end();
        assertThat(ledger.ended()).isFalse();
        ledger.lend(batch);
        assertThat(ledger.ended()).isTrue();
    }

    @Test
    void isReadableForAFrameAfterALendThatFoundNone() {
        armAll();
        fill(0);
        assertThat(readable()).as("nobody has asked yet").isFalse();
        assertThat(ledger.lend(batch)).isEqualTo(1);
        assertThat(ledger.lend(batch)).isZero();
        assertThat(readable()).isFalse();
        fill(1);
        fill(2);
        assertThat(readable()).isTrue();
        assertThat(ledger.lend(batch)).isEqualTo(2);
        assertThat(readable()).isFalse();
    }

    @Test
    void isReadableForTheEndAfterALendThatFoundNone() {
        assertThat(ledger.lend(batch)).isZero();
        ledger.end();
        assertThat(readable()).isTrue();
        assertThat(ledger.lend(batch)).isZero();
        assertThat(ledger.ended()).isTrue();
    }

    @Test
    void timeIsStarvedOnlyWhileTheEngineRunsWithoutABuffer() throws Exception {
        armAll();
        long startedFirst = ledger.counts().starvedNanos();
        assertThat(ledger.counts().starvedNanos())
                .as("stands still while one is armed")
                .isEqualTo(startedFirst);
        for (int buffer = 0; buffer < BUFFERS; buffer++) {
            fill(buffer);
        }
        ledger.awaitArmed(1);
        ledger.stop();
        long starved = ledger.counts().starvedNanos();
        assertThat(starved).isGreaterThan(startedFirst);
        assertThat(ledger.counts().starvedNanos())
                .as("stands still when halted")
                .isEqualTo(starved);
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.RandomCases;
import dev.sluice.linux.Constants;
import dev.sluice.linux.Iovec;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.Test;

final class TransferTest {

    private record Stretch(long address, long bytes) {}

    private final Transfer transfer = new Transfer();

    /** What the next send would be given. */
    @SuppressWarnings("restricted") // reads what the kernel would read
    private static List<Stretch> next(Transfer transfer) {
        MemorySegment iovecs = MemorySegment.ofAddress(transfer.iovecAddress()).reinterpret(Constants.IOV_MAX * 16L);
        List<Stretch> stretches = new ArrayList<>();
        for (int i = 0; i < transfer.iovecCount(); i++) {
            stretches.add(new Stretch(Iovec.address(iovecs, i), Iovec.length(iovecs, i)));
        }
        return stretches;
    }

    @Test
    void aNewTransferHasNothingToSend() {
        assertThat(transfer.leftBytes()).isZero();
        assertThat(transfer.takenBytes()).isZero();
        assertThat(transfer.settled()).isTrue();
        assertThat(transfer.meanStretchBytes()).isZero();
        assertThat(next(transfer)).isEmpty();
    }

    @Test
    void anEmptyStretchIsLeftOut() {
        transfer.add(100, 0);
        transfer.add(200, 7);
        assertThat(next(transfer)).containsExactly(new Stretch(200, 7));
    }

    @Test
    void aPartialSendGoesOnWhereItStopped() {
        transfer.add(100, 10);
        transfer.add(200, 20);
        transfer.add(300, 30);
        transfer.advance(10);
        assertThat(next(transfer)).containsExactly(new Stretch(200, 20), new Stretch(300, 30));
        transfer.advance(5);
        assertThat(next(transfer)).containsExactly(new Stretch(205, 15), new Stretch(300, 30));
        transfer.advance(16);
        assertThat(next(transfer)).containsExactly(new Stretch(301, 29));
        transfer.advance(29);
        assertThat(next(transfer)).isEmpty();
        assertThat(transfer.leftBytes()).isZero();
    }

    @Test
    void anySequenceOfPartialSendsCoversEveryByteOnce() {
        RandomCases.run(2000, random -> {
            Transfer tested = new Transfer();
            Deque<Stretch> expected = new ArrayDeque<>();
            for (int count = random.nextInt(1, 60); count > 0; count--) {
                Stretch stretch = new Stretch(random.nextLong(1L << 47), random.nextLong(1, 1L << 32));
                tested.add(stretch.address(), stretch.bytes());
                expected.add(stretch);
            }
            while (!expected.isEmpty()) {
                assertThat(next(tested)).containsExactlyElementsOf(expected);
                assertThat(tested.leftBytes())
                        .isEqualTo(expected.stream().mapToLong(Stretch::bytes).sum());
                long taken = random.nextLong(1, tested.leftBytes() + 1);
                tested.advance(taken);
                while (taken > 0) {
                    Stretch first = expected.remove();
                    long cut = Math.min(taken, first.bytes());
                    taken -= cut;
                    if (cut < first.bytes()) {
                        expected.addFirst(new Stretch(first.address() + cut, first.bytes() - cut));
                    }
                }
            }
            assertThat(tested.settled()).isTrue();
        });
    }

    @Test
    void aSendTakesNoMoreElementsThanTheKernelDoes() {
        int more = 10;
        for (int i = 0; i < Constants.IOV_MAX + more; i++) {
            transfer.add(i * 100L, 1);
        }
        assertThat(next(transfer)).hasSize(Constants.IOV_MAX);
        transfer.advance(Constants.IOV_MAX);
        assertThat(next(transfer)).hasSize(more).startsWith(new Stretch(Constants.IOV_MAX * 100L, 1));
    }

    @Test
    void aHeaderDoesNotCountInTheMean() {
        transfer.addHeader(1, 64);
        assertThat(transfer.meanStretchBytes()).isZero();
        transfer.add(100, 1000);
        transfer.add(5000, 3000);
        assertThat(transfer.leftBytes()).isEqualTo(4064);
        assertThat(transfer.meanStretchBytes()).isEqualTo(2000);
        transfer.advance(3500);
        assertThat(transfer.meanStretchBytes())
                .as("is the same for the rest of it")
                .isEqualTo(2000);
    }

    @Test
    void whatTheKernelHasTakenIsKnownUntilItIsCleared() {
        transfer.add(100, 10);
        transfer.add(200, 20);
        assertThat(transfer.takenBytes()).isZero();
        transfer.advance(11);
        assertThat(transfer.takenBytes()).isEqualTo(11);
        assertThat(transfer.totalBytes()).isEqualTo(30);
        transfer.clear();
        transfer.add(100, 10);
        assertThat(transfer.takenBytes()).isZero();
    }

    @Test
    void headersMayStandAnywhere() {
        transfer.addHeader(1, 64);
        transfer.add(100, 1000);
        transfer.addHeader(65, 64);
        transfer.add(5000, 3000);
        assertThat(transfer.meanStretchBytes()).isEqualTo(2000);
        transfer.advance(64 + 1000);
        assertThat(transfer.nextIsHeader(0)).isTrue();
        assertThat(transfer.nextIsHeader(1)).isFalse();
        transfer.clear();
        transfer.add(100, 10);
        assertThat(transfer.nextIsHeader(0)).isFalse();
        assertThat(transfer.meanStretchBytes()).isEqualTo(10);
    }

    @Test
    void sendsOfALostConnectionStillCount() {
        transfer.add(100, 10);
        transfer.advance(10);
        transfer.sendIssued();
        transfer.clear();
        transfer.add(100, 10);
        transfer.advance(10);
        assertThat(transfer.settled()).isFalse();
        assertThat(transfer.outstanding()).isEqualTo(1);
        transfer.sendSettled();
        assertThat(transfer.settled()).isTrue();
    }
}

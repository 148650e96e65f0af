// SPDX-License-Identifier: Apache-2.0
package dev.sluice.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import dev.sluice.RandomCases;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

final class OutstandingSendsTest {

    private static final long ADDRESS = 0x1000;
    private static final long LAST_ID = 0xffff_ffffL;

    private final List<Transfer> settled = new ArrayList<>();

    private static Transfer transfer(long bytes) {
        Transfer transfer = new Transfer();
        transfer.add(ADDRESS, bytes);
        return transfer;
    }

    private static void send(OutstandingSends sends, Transfer transfer, long bytes) {
        transfer.advance(bytes);
        sends.issued(transfer, bytes);
    }

    private static Transfer sendWhole(OutstandingSends sends, long bytes) {
        Transfer transfer = transfer(bytes);
        send(sends, transfer, bytes);
        return transfer;
    }

    @Test
    void aMergedRangeSettlesEverySendInIt() {
        OutstandingSends sends = new OutstandingSends();
        Transfer first = sendWhole(sends, 10);
        Transfer second = sendWhole(sends, 20);
        Transfer third = sendWhole(sends, 30);
        sends.settle(0, 1, settled::add);
        assertThat(settled).containsExactly(first, second);
        assertThat(third.settled()).isFalse();
        assertThat(sends.count()).isEqualTo(1);
        assertThat(sends.settledBytes()).isEqualTo(30);
    }

    @Test
    void aLaterNotificationSettlesNothingBeforeIt() {
        OutstandingSends sends = new OutstandingSends();
        Transfer first = sendWhole(sends, 10);
        Transfer second = sendWhole(sends, 20);
        sends.settle(1, 1, settled::add);
        assertThat(settled).containsExactly(second);
        assertThat(first.settled()).isFalse();
        sends.settle(0, 0, settled::add);
        assertThat(settled).containsExactly(second, first);
        assertThat(sends.count()).isZero();
    }

    @Test
    void aTransferSentInPartsSettlesWithTheLastOfThem() {
        OutstandingSends sends = new OutstandingSends();
        Transfer transfer = transfer(30);
        send(sends, transfer, 10);
        send(sends, transfer, 10);
        sends.settle(0, 1, settled::add);
        assertThat(settled).as("10 bytes are not handed over yet").isEmpty();
        send(sends, transfer, 10);
        assertThat(transfer.settled()).isFalse();
        sends.settle(2, 2, settled::add);
        assertThat(settled).containsExactly(transfer);
    }

    @Test
    void aTransferWhoseRestWasSentPlainlyWaitsForWhatWasNot() {
        OutstandingSends sends = new OutstandingSends();
        Transfer transfer = transfer(30);
        send(sends, transfer, 10);
        transfer.advance(20);
        assertThat(transfer.settled()).isFalse();
        sends.settle(0, 0, settled::add);
        assertThat(settled).containsExactly(transfer);
    }

    @Test
    void aRangeMayWrap() {
        OutstandingSends sends = new OutstandingSends(LAST_ID - 1);
        for (int i = 0; i < 4; i++) {
            sendWhole(sends, 1);
        }
        sends.settle((int) LAST_ID, 0, settled::add);
        assertThat(settled).hasSize(2);
        sends.settle(1, 1, settled::add);
        sends.settle((int) LAST_ID - 1, (int) LAST_ID - 1, settled::add);
        assertThat(settled).hasSize(4);
        assertThat(sends.count()).isZero();
    }

    @Test
    void anIdThatWasNeverIssuedIsRefused() {
        OutstandingSends sends = new OutstandingSends(LAST_ID);
        Transfer transfer = sendWhole(sends, 1);
        for (int[] range : new int[][] {{0, 0}, {-2, -2}, {-2, -1}, {-1, 0}, {0, -1}, {1 << 31, 1 << 31}}) {
            assertThatThrownBy(() -> sends.settle(range[0], range[1], settled::add))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("is not outstanding (1 are)");
        }
        assertThat(settled).isEmpty();
        assertThat(sends.count()).isEqualTo(1);
        assertThat(transfer.outstanding()).isEqualTo(1);
    }

    @Test
    void anIdNotifiedTwiceIsRefusedAndNamedUnsigned() {
        OutstandingSends sends = new OutstandingSends(LAST_ID - 2);
        for (int i = 0; i < 3; i++) {
            sendWhole(sends, 1);
        }
        sends.settle(-2, -2, settled::add);
        assertThatThrownBy(() -> sends.settle(-3, -1, settled::add))
                .hasMessage("the kernel notified zero-copy sends 4294967293 to 4294967295, but 4294967294 is not "
                        + "outstanding (2 are)");
        assertThat(settled).hasSize(1);
        assertThat(sends.count()).isEqualTo(2);
    }

    @Test
    void anySequenceOfRangesSettlesEachTransferOnce() {
        RandomCases.run(4000, random -> new Model(random).run());
    }

    /** Does to a map of ids what it does to the ring, and compares after each step. */
    private static final class Model {

        private record Send(Transfer transfer, long bytes) {}

        private final RandomGenerator random;
        private final OutstandingSends sends;
        private final Map<Integer, Send> outstanding = new LinkedHashMap<>();

        /** As in a pipeline a settled transfer is used again. */
        private final Deque<Transfer> idle = new ArrayDeque<>();

        private final int most;
        private Transfer current;
        private int nextId;
        private long settledBytes;

        Model(RandomGenerator random) {
            this.random = random;
            long firstId = switch (random.nextInt(3)) {
                case 0 -> 0;
                case 1 -> LAST_ID + 1 - random.nextInt(200);
                default -> random.nextLong(LAST_ID + 1);
            };
            sends = new OutstandingSends(firstId);
            nextId = (int) firstId;
            most = random.nextInt(1, 300);
            for (int slot = 0; slot < 40; slot++) {
                idle.add(new Transfer());
            }
            current = begin();
        }

        private Transfer begin() {
            Transfer transfer = idle.remove();
            transfer.clear();
            transfer.add(ADDRESS, random.nextLong(1, 1000));
            return transfer;
        }

        void run() {
            for (int step = 0; step < 200; step++) {
                if (outstanding.size() < most && random.nextInt(3) > 0) {
                    issue();
                } else {
                    settleSome();
                }
                if (random.nextInt(10) == 0) {
                    settleWrongly();
                }
            }
            while (!outstanding.isEmpty()) {
                settleSome();
            }
            compare();
        }

        private void issue() {
            if (current.leftBytes() == 0) {
                if (idle.isEmpty()) {
                    return;
                }
                current = begin();
            }
            long taken = random.nextBoolean() ? current.leftBytes() : random.nextLong(1, current.leftBytes() + 1);
            send(sends, current, taken);
            outstanding.put(nextId++, new Send(current, taken));
            compare();
        }

        /** A range around any id that is outstanding, as far as its neighbours are too. */
        private void settleSome() {
            if (outstanding.isEmpty()) {
                return;
            }
            Integer[] ids = outstanding.keySet().toArray(Integer[]::new);
            int first = ids[random.nextInt(ids.length)];
            int last = first;
            for (int more = random.nextInt(20); more > 0 && outstanding.containsKey(last + 1); more--) {
                last++;
            }
            List<Transfer> expected = new ArrayList<>();
            for (int id = first; id != last + 1; id++) {
                Send send = Objects.requireNonNull(outstanding.remove(id));
                settledBytes += send.bytes();
                boolean more = outstanding.values().stream()
                        .anyMatch(other -> other.transfer().equals(send.transfer()));
                if (!more && send.transfer().leftBytes() == 0) {
                    expected.add(send.transfer());
                }
            }
            List<Transfer> settled = new ArrayList<>();
            sends.settle(first, last, settled::add);
            assertThat(settled).containsExactlyElementsOf(expected);
            idle.addAll(settled);
            compare();
        }

        /** A range in which at least one id is not outstanding. */
        private void settleWrongly() {
            int wrong = nextId + random.nextInt(-300, 300);
            int first = wrong - random.nextInt(5);
            int last = wrong + random.nextInt(5);
            if (!outstanding.containsKey(wrong)) {
                assertThatThrownBy(() -> sends.settle(first, last, transfer -> fail("settled one")))
                        .isInstanceOf(IllegalStateException.class);
                compare();
            }
        }

        private void compare() {
            assertThat(sends.count()).isEqualTo(outstanding.size());
            assertThat(sends.settledBytes()).isEqualTo(settledBytes);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.device.FedDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.metrics.SourceCounters;
import dev.sluice.transport.Kernel;
import dev.sluice.transport.Transfer;
import dev.sluice.wire.Delivery;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Header;
import dev.sluice.wire.Place;
import dev.sluice.wire.Progress;
import dev.sluice.wire.Session;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Frames that wait together: they go out together, and are each one's own in all else. */
final class OutboxTest {

    private static final int BUFFERS = 16;
    private static final int PAGE = 4096;
    private static final int FRAME_BYTES = 96;
    private static final Duration SHORT = Duration.ofSeconds(1);
    private static final Place START = new Place(0, 0);

    private final SinkCounters counters = new SinkCounters();
    private final FrameBatch acquired = new FrameBatch(1);
    private FedDevice device;
    private FramePool pool;

    @BeforeEach
    void open() throws IOException {
        device = new FedDevice("fed", BUFFERS, PAGE);
        pool = new FramePool(device, new SourceCounters());
        pool.start();
    }

    @AfterEach
    void close() {
        device.close();
    }

    private Outbox outbox(Framing framing, Delivery delivery) {
        Session session = new Session(framing, delivery, false, SHORT, SHORT, null, null);
        return new Outbox(List.of(new SinkStream(pool, 7)), session, counters, false);
    }

    private LentFrame give(Outbox outbox, int bytes) throws IOException {
        assertThat(device.fill(device.memory().asSlice(0, bytes), 0, 1)).isTrue();
        assertThat(device.acquire(acquired)).isEqualTo(1);
        LentFrame frame = pool.lend(acquired, 0);
        outbox.give(frame);
        return frame;
    }

    private static Transfer next(Outbox outbox) {
        return Objects.requireNonNull(outbox.next());
    }

    private static Header header(MemorySegment bytes, int frame) {
        return new Header(bytes.asSlice((long) frame * (Header.BYTES + FRAME_BYTES), Header.BYTES));
    }

    @Test
    void aQuarterOfTheSourcesBuffersWaitForEachOther() throws IOException {
        Outbox outbox = outbox(Framing.RAW, Delivery.LIVE);
        for (int i = 0; i < BUFFERS / 4; i++) {
            assertThat(outbox.wantsFrame()).isTrue();
            give(outbox, FRAME_BYTES);
        }
        assertThat(outbox.wantsFrame()).isFalse();
        assertThat(next(outbox).totalBytes()).isEqualTo(BUFFERS / 4 * FRAME_BYTES);
    }

    @Test
    void whatALostConnectionTookWholeIsNotSentAgain() throws IOException {
        Outbox outbox = outbox(Framing.RAW, Delivery.LIVE);
        LentFrame first = give(outbox, FRAME_BYTES);
        LentFrame second = give(outbox, FRAME_BYTES);
        give(outbox, FRAME_BYTES);
        Transfer batch = next(outbox);
        Kernel.take(batch, FRAME_BYTES + 8);
        outbox.sent(batch);
        assertThat(first.lent().held()).as("taken, and copied").isFalse();
        assertThat(second.lent().held()).isTrue();
        outbox.disconnected();
        assertThat(counters.framesSent.value()).isEqualTo(1);
        assertThat(counters.framesRepeated.value()).as("begun").isEqualTo(1);
        Transfer rest = next(outbox);
        assertThat(rest.totalBytes()).isEqualTo(2 * FRAME_BYTES);
        Kernel.take(rest, Long.MAX_VALUE);
        outbox.sent(rest);
        assertThat(outbox.isDone()).isTrue();
        assertThat(counters.framesSent.value()).isEqualTo(3);
        assertThat(pool.reclaim()).isZero();
    }

    /** A connection may be lost before it is known here what it took. */
    @Test
    void whatWasTakenWhenTheConnectionWasLostCounts() throws IOException {
        Outbox outbox = outbox(Framing.RAW, Delivery.LIVE);
        give(outbox, FRAME_BYTES);
        give(outbox, FRAME_BYTES);
        Kernel.take(next(outbox), Long.MAX_VALUE);
        outbox.disconnected();
        assertThat(outbox.isDone()).isTrue();
        assertThat(outbox.next()).isNull();
        assertThat(counters.framesSent.value()).isEqualTo(2);
        assertThat(counters.framesRepeated.value()).isZero();
        assertThat(pool.reclaim()).isZero();
    }

    @Test
    void aFrameIsReleasedWhenNoConnectionReadsItAnyMore() throws IOException {
        Outbox outbox = outbox(Framing.RAW, Delivery.LIVE);
        LentFrame first = give(outbox, FRAME_BYTES);
        LentFrame second = give(outbox, FRAME_BYTES);
        Transfer lost = next(outbox);
        Kernel.refer(lost, FRAME_BYTES + 8);
        outbox.sent(lost);
        assertThat(first.lent().held()).as("sent by reference").isTrue();
        outbox.disconnected();
        Transfer again = next(outbox);
        assertThat(again).isNotSameAs(lost);
        Kernel.refer(again, Long.MAX_VALUE);
        outbox.sent(again);
        Kernel.letGo(again);
        outbox.settled(again);
        assertThat(second.lent().held())
                .as("the connection before still reads it")
                .isTrue();
        Kernel.letGo(lost);
        outbox.settled(lost);
        assertThat(first.lent().held()).isFalse();
        assertThat(second.lent().held()).isFalse();
    }

    @Test
    void anAcknowledgementReleasesTheFramesOfABatchThatItNames() throws IOException {
        Outbox outbox = outbox(Framing.SLUICE, Delivery.RESUME);
        outbox.connected(List.of(new Progress(true, false, START, 0, 0)));
        LentFrame first = give(outbox, FRAME_BYTES);
        LentFrame second = give(outbox, FRAME_BYTES);
        Transfer batch = next(outbox);
        Kernel.take(batch, Long.MAX_VALUE);
        outbox.sent(batch);
        Header ack = new Header(MemorySegment.ofArray(new byte[Header.BYTES]));
        ack.progress(Header.TYPE_ACK, 7, new Progress(false, false, new Place(1, FRAME_BYTES), FRAME_BYTES, 0));
        outbox.acknowledged(ack);
        assertThat(first.lent().held()).isFalse();
        assertThat(second.lent().held()).isTrue();
        outbox.disconnected();
        outbox.connected(List.of(new Progress(false, false, new Place(1, FRAME_BYTES), FRAME_BYTES, 0)));
        Transfer again = next(outbox);
        assertThat(header(Kernel.take(again, Long.MAX_VALUE), 0).sequence()).isEqualTo(1);
        assertThat(again.totalBytes()).isEqualTo(Header.BYTES + FRAME_BYTES);
    }

    @Test
    void whatWasLostOnItsWayIsAnnouncedOnce() throws IOException {
        Outbox outbox = outbox(Framing.SLUICE, Delivery.LIVE);
        Progress nothing = new Progress(false, false, START, 0, 0);
        outbox.connected(List.of(nothing));
        give(outbox, FRAME_BYTES);
        give(outbox, FRAME_BYTES);
        Transfer lost = next(outbox);
        Kernel.take(lost, Long.MAX_VALUE);
        outbox.sent(lost);
        outbox.disconnected();
        outbox.connected(List.of(nothing));
        give(outbox, FRAME_BYTES);
        give(outbox, FRAME_BYTES);
        Transfer next = next(outbox);
        MemorySegment sent = Kernel.take(next, Long.MAX_VALUE);
        outbox.sent(next);
        assertThat(header(sent, 0).sequence()).isEqualTo(2);
        assertThat(header(sent, 0).lostBytes()).isEqualTo(2 * FRAME_BYTES);
        assertThat(header(sent, 1).sequence()).isEqualTo(3);
        assertThat(header(sent, 1).lostBytes()).isZero();
    }

    @Test
    void severalStreamsTakeTurns() throws IOException {
        Session session = new Session(Framing.SLUICE, Delivery.LIVE, false, SHORT, SHORT, null, null);
        try (FedDevice other = new FedDevice("other", BUFFERS, PAGE)) {
            FramePool otherPool = new FramePool(other, new SourceCounters());
            otherPool.start();
            List<SinkStream> streams = List.of(new SinkStream(pool, 7), new SinkStream(otherPool, 8));
            Outbox outbox = new Outbox(streams, session, counters, false);
            give(outbox, FRAME_BYTES);
            give(outbox, FRAME_BYTES);
            assertThat(other.fill(other.memory().asSlice(0, FRAME_BYTES), 0, 1)).isTrue();
            assertThat(other.acquire(acquired)).isEqualTo(1);
            LentFrame frame = otherPool.lend(acquired, 0);
            frame.stream(1);
            outbox.give(frame);
            MemorySegment sent = Kernel.take(next(outbox), Long.MAX_VALUE);
            assertThat(List.of(header(sent, 0).stream(), header(sent, 1).stream(), header(sent, 2).stream()))
                    .containsExactly(7, 8, 7);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package dev.sluice.stream;

import dev.sluice.Fuzz;
import dev.sluice.device.BufferDevice;
import dev.sluice.device.FedDevice;
import dev.sluice.device.FrameBatch;
import dev.sluice.metrics.SinkCounters;
import dev.sluice.metrics.SourceCounters;
import dev.sluice.transport.ConnectionLostException;
import dev.sluice.transport.HostileReceiver;
import dev.sluice.transport.Transfer;
import dev.sluice.transport.Transport;
import dev.sluice.wire.Delivery;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import dev.sluice.wire.HostileStream;
import dev.sluice.wire.Place;
import dev.sluice.wire.Progress;
import dev.sluice.wire.Session;
import dev.sluice.wire.WireException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Whatever a receiver says, a frame is released once, and only when the receiver may have said that it has it: it was
 * handed over whole on this connection, or the receiver had it when it connected.
 */
final class OutboxFuzzTest {

    private static final long MOST_BYTES = 1 << 20;
    private static final int PAGE = 4096;
    private static final int BUFFERS = 16;
    private static final int FROM_RECEIVER = 1 << Header.TYPE_ACK | 1 << Header.TYPE_KEEP_ALIVE;
    private static final Duration SHORT = Duration.ofSeconds(1);

    /** The sources outlive a case: mapping their memory takes longer than all else. */
    private final List<FedDevice> devices = new ArrayList<>();

    private final List<FramePool> pools = new ArrayList<>();

    private void openSources() throws IOException {
        for (int i = 0; i < 3; i++) {
            FedDevice device = new FedDevice("fed" + i, BUFFERS, PAGE);
            devices.add(device);
            pools.add(new FramePool(device, new SourceCounters()));
            pools.getLast().start();
        }
    }

    private static @Nullable OutboxFuzzTest guided;

    public static void fuzzerTestOneInput(byte[] choices) throws Exception {
        OutboxFuzzTest test = guided;
        if (test == null) {
            test = new OutboxFuzzTest();
            test.openSources();
            guided = test;
        }
        Fuzz.guided(choices, test::live);
    }

    private void live(RandomGenerator random, Fuzz.Tally tally) throws IOException {
        new Life(random, tally).live();
    }

    @Test
    void aReceiverCanSayWhatItLikes() throws Exception {
        try {
            openSources();
            Fuzz.run("outbox", Duration.ofSeconds(15), this::live);
        } finally {
            devices.forEach(BufferDevice::close);
        }
    }

    /** What is known of a frame that a sink has, independent of what the outbox knows. */
    private static final class Known {
        final LentFrame frame;
        boolean handedOver;
        boolean begunOnThis;
        boolean acknowledged;

        Known(LentFrame frame) {
            this.frame = frame;
        }
    }

    /** One outbox, from its first connection to its last. */
    private final class Life {

        private final RandomGenerator random;
        private final Fuzz.Tally tally;
        private final Session session;
        private final List<SinkStream> streams = new ArrayList<>();
        private final Outbox outbox;
        private final List<List<Known>> known = new ArrayList<>();

        /** By stream: what the receiver said it has, and may. */
        private final long[] has;

        private final long[] sentUpTo;
        private final List<HostileReceiver> receivers = new ArrayList<>();
        private final List<byte[]> others = new ArrayList<>();
        private final FrameBatch batch = new FrameBatch(1);
        private final int count;

        /** Of what the receiver has heard, up to where it is known. */
        private int noted;

        Life(RandomGenerator random, Fuzz.Tally tally) {
            this.random = random;
            this.tally = tally;
            count = 1 + random.nextInt(pools.size());
            Delivery delivery = random.nextInt(3) > 0 ? Delivery.RESUME : Delivery.LIVE;
            session = new Session(Framing.SLUICE, delivery, random.nextBoolean(), SHORT, SHORT, null, null);
            for (int i = 0; i < count; i++) {
                streams.add(new SinkStream(pools.get(i), 10 + i));
                known.add(new ArrayList<>());
            }
            outbox = new Outbox(streams, session, new SinkCounters(), false);
            has = new long[count];
            sentUpTo = new long[count];
        }

        void live() throws IOException {
            try {
                for (int i = 1 + random.nextInt(4); i > 0; i--) {
                    connection();
                }
            } finally {
                for (HostileReceiver receiver : receivers) {
                    receiver.reapAll(outbox::settled);
                }
                outbox.abandon();
                for (int i = 0; i < count; i++) {
                    pools.get(i).reclaim();
                }
            }
        }

        private void connection() throws IOException {
            byte[] says = says();
            HostileReceiver receiver = new HostileReceiver(says, -1, random);
            receivers.add(receiver);
            noted = 0;
            tally.begin(says);
            String kind;
            try {
                kind = converse(receiver);
            } catch (WireException | ConnectionLostException e) {
                kind = String.valueOf(e.getMessage());
                Fuzz.checkLine(kind);
            }
            outbox.disconnected();
            tally.end(kind, MOST_BYTES);
            checkReleased();
        }

        /** WELCOMEs that are right, mostly, and ACKs of what may or may not have been sent by then. */
        private byte[] says() {
            HostileStream stream = new HostileStream(random);
            HostileStream more = new HostileStream(random);
            for (int i = 0; i < count; i++) {
                int id = streams.get(i).id();
                boolean isNew = random.nextInt(4) == 0;
                Progress has = progress(i, isNew);
                stream.add(HostileStream.header(h -> h.progress(Header.TYPE_WELCOME, id, has)));
            }
            for (int i = random.nextInt(8); i > 0; i--) {
                int number = random.nextInt(count);
                int id = streams.get(number).id();
                Progress has = progress(number, false);
                more.add(HostileStream.header(
                        random.nextInt(8) == 0 ? Header::keepAlive : h -> h.progress(Header.TYPE_ACK, id, has)));
            }
            if (random.nextInt(8) == 0) {
                stream.harm(1, others);
            }
            more.harm(random.nextInt(3), others).messages().forEach(stream::add);
            others.addAll(more.messages());
            return stream.toBytes(random.nextInt(4) == 0);
        }

        private Progress progress(int stream, boolean isNew) {
            long next = Math.max(0, pools.get(stream).nextSequence() + random.nextInt(-8, 3));
            long received = random.nextInt(8) == 0 ? random.nextLong() >>> 1 : random.nextInt(2000);
            long lost = random.nextInt(8) == 0 ? random.nextLong() >>> 1 : random.nextInt(2000);
            return new Progress(
                    isNew,
                    random.nextInt(8) == 0,
                    new Place(next, pools.get(stream).sourcePosition() + random.nextInt(1000)),
                    received,
                    lost);
        }

        private String converse(HostileReceiver receiver) throws IOException {
            List<Progress> welcome = new ArrayList<>();
            MemorySegment room = MemorySegment.ofArray(new byte[Header.BYTES]);
            Header answer = new Header(room);
            for (long filled = 0; welcome.size() < count; ) {
                long got = receiver.receive(room.asSlice(filled));
                if (got == Transport.END || (got == 0 && receiver.silent())) {
                    return "no WELCOME";
                }
                filled += got;
                if (filled == Header.BYTES) {
                    filled = 0;
                    answer.validate(1 << Header.TYPE_WELCOME);
                    welcome.add(answer.progress());
                }
            }
            Connection connection = new Connection(receiver, welcome);
            for (int i = 0; i < count; i++) {
                has[i] = welcome.get(i).isNew() ? 0 : welcome.get(i).next().sequence();
                sentUpTo[i] = has[i];
                known.get(i).forEach(one -> one.begunOnThis = false);
            }
            outbox.connected(welcome);
            checkReleased();
            Transfer sending = null;
            for (int quiet = 0; quiet < 8 && !connection.peerClosed(); quiet += receiver.silent() ? 1 : 0) {
                sending = step(connection, receiver, sending);
                checkReleased();
            }
            return connection.peerClosed() ? "left" : "stayed";
        }

        private @Nullable Transfer step(Connection connection, HostileReceiver receiver, @Nullable Transfer before)
                throws IOException {
            Transfer sending = before;
            switch (random.nextInt(4)) {
                case 0 -> give(random.nextInt(count));
                case 1 -> connection.receive(this::heard);
                case 2 -> receiver.reap(outbox::settled);
                default -> {
                    boolean begun = sending != null;
                    sending = begun ? sending : outbox.next();
                    if (!begun && sending != null) { // all that wait are few enough to be sent together
                        known.forEach(stream -> stream.forEach(one -> one.begunOnThis = true));
                    }
                    if (sending == null && random.nextInt(8) == 0) {
                        sending = random.nextBoolean() ? outbox.end() : outbox.keepAlive();
                    }
                    if (sending != null) {
                        boolean sent = receiver.send(sending) == Transport.Progress.SENT;
                        note(receiver.heard());
                        outbox.sent(sending);
                        sending = sent ? null : sending;
                    }
                }
            }
            return sending;
        }

        private void give(int stream) throws IOException {
            pools.get(stream).flush();
            FedDevice device = devices.get(stream);
            int length = 8 * random.nextInt(1, 5);
            MemorySegment bytes = device.memory().asSlice(0, length);
            if (!outbox.wantsFrame() || !device.fill(bytes, random.nextInt(4) == 0 ? 8 : 0, 1)) {
                return;
            }
            Fuzz.check(device.acquire(batch) == 1, () -> "the device lends nothing");
            LentFrame frame = pools.get(stream).lend(batch, 0);
            frame.stream(stream);
            known.get(stream).add(new Known(frame));
            outbox.give(frame);
        }

        /** The kernel has those frames whole that have come whole, as their own headers tell. */
        private void note(byte[] heard) throws WireException {
            while (noted + Header.BYTES <= heard.length) {
                Header header = new Header(MemorySegment.ofArray(heard).asSlice(noted));
                header.validate(Greeting.FROM_SENDER);
                int end = noted + Header.BYTES + (int) header.payloadBytes();
                if (end > heard.length) {
                    return;
                }
                if (header.type() == Header.TYPE_FRAME) {
                    int stream = header.stream() - 10;
                    long sequence = header.sequence();
                    sentUpTo[stream] = sequence + 1;
                    known.get(stream).stream()
                            .filter(one -> one.frame.sequence() == sequence)
                            .forEach(one -> one.handedOver = true);
                }
                noted = end;
            }
        }

        private void heard(Header message) throws WireException {
            message.validate(FROM_RECEIVER);
            if (message.type() == Header.TYPE_ACK) {
                long sequence = message.sequence();
                outbox.acknowledged(message);
                // It was not refused, so it is one of those that may come.
                int stream = message.stream() - 10;
                Fuzz.check(
                        sequence <= Math.max(sentUpTo[stream], pools.get(stream).nextSequence())
                                || sequence <= has[stream],
                        () -> "took an ACK of " + sequence + ", and sent " + sentUpTo[stream]);
                known.get(stream).stream()
                        .filter(one -> one.frame.sequence() < sequence && one.begunOnThis)
                        .forEach(one -> one.acknowledged = true);
            }
        }

        /** Each frame that was released by now may be. */
        private void checkReleased() {
            for (int i = 0; i < count; i++) {
                int stream = i;
                known.get(stream).removeIf(one -> {
                    if (one.frame.lent().held()) {
                        return false;
                    }
                    boolean known = one.frame.sequence() < has[stream];
                    boolean delivered = session.resumes() ? one.acknowledged : one.handedOver;
                    Fuzz.check(
                            known || delivered,
                            () -> "released frame " + one.frame.sequence() + ", which the receiver may lack");
                    return true;
                });
            }
        }
    }
}

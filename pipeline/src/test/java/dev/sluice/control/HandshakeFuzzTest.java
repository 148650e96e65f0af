// SPDX-License-Identifier: Apache-2.0
package dev.sluice.control;

import dev.sluice.Fuzz;
import dev.sluice.device.FedDevice;
import dev.sluice.linux.EventFd;
import dev.sluice.metrics.SourceCounters;
import dev.sluice.stream.Connection;
import dev.sluice.stream.FramePool;
import dev.sluice.stream.Reactor;
import dev.sluice.stream.SinkStream;
import dev.sluice.transport.ConnectionLostException;
import dev.sluice.transport.HostileReceiver;
import dev.sluice.wire.Delivery;
import dev.sluice.wire.Framing;
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
import org.junit.jupiter.api.Test;

/** Whatever a receiver answers to a HELLO, the sender takes WELCOMEs or says what is wrong. */
final class HandshakeFuzzTest {

    private static final long MOST_BYTES = 1 << 20;
    private static final long PAGE = 4096;
    private static final Duration SHORT = Duration.ofSeconds(1);
    private static final Session SESSION =
            new Session(Framing.SLUICE, Delivery.RESUME, false, SHORT, SHORT, null, null);

    @Test
    void aReceiverCanAnswerWhatItLikes() throws Exception {
        try (FedDevice device = new FedDevice("fed", 1, PAGE);
                Reactor reactor = new Reactor("fuzz", Runnable::run);
                EventFd never = new EventFd()) {
            FramePool pool = new FramePool(device, new SourceCounters());
            Fuzz.run(
                    "handshake",
                    Duration.ofSeconds(5),
                    (random, tally) -> greet(random, tally, pool, reactor, never.fd()));
        }
    }

    private static void greet(RandomGenerator random, Fuzz.Tally tally, FramePool pool, Reactor reactor, int fd)
            throws IOException {
        List<SinkStream> streams = new ArrayList<>();
        int count = random.nextInt(20) == 0 ? Header.MOST_STREAMS : 1 + random.nextInt(3);
        int first = random.nextInt(1000);
        HostileStream answers = new HostileStream(random);
        for (int i = 0; i < count; i++) {
            int id = first + i;
            streams.add(new SinkStream(pool, id));
            Progress has = new Progress(random.nextBoolean(), random.nextBoolean(), new Place(3, 300), 250, 50);
            answers.add(HostileStream.header(h -> h.progress(Header.TYPE_WELCOME, id, has)));
        }
        if (random.nextBoolean()) {
            answers.add(HostileStream.header(Header::keepAlive));
        }
        byte[] bytes =
                answers.harm(random.nextInt(4), List.copyOf(answers.messages())).toBytes(true);
        HostileReceiver receiver = new HostileReceiver(bytes, fd, random);
        tally.begin(bytes);
        Handshake handshake =
                new Handshake(receiver, same -> same, SESSION, streams, false, true, reactor, event -> {});
        String kind = proceed(handshake, receiver);
        tally.end(kind, MOST_BYTES);
        boolean right = answered(bytes, streams);
        Fuzz.check(!kind.equals("connected") || right, () -> "took what is no answer");
        Fuzz.check(!right || kind.equals("connected"), () -> "did not take what is right: " + kind);
        if (!kind.equals("connected")) {
            Fuzz.checkLine(kind);
            handshake.drop();
        }
    }

    private static String proceed(Handshake handshake, HostileReceiver receiver) throws IOException {
        try {
            for (int quiet = 0; quiet < 20; quiet += receiver.silent() ? 1 : 0) {
                Connection connection = handshake.proceed();
                if (connection != null) {
                    return "connected";
                }
            }
            return "waits for more"; // and is given up by the actor, after the time for that
        } catch (WireException | ConnectionLostException e) {
            return String.valueOf(e.getMessage());
        }
    }

    /** Whether it begins with one WELCOME for each stream. */
    private static boolean answered(byte[] bytes, List<SinkStream> streams) {
        if (bytes.length < streams.size() * Header.BYTES) {
            return false;
        }
        for (int i = 0; i < streams.size(); i++) {
            Header header = new Header(MemorySegment.ofArray(bytes).asSlice((long) i * Header.BYTES));
            try {
                header.validate(1 << Header.TYPE_WELCOME);
            } catch (WireException e) {
                return false;
            }
            if (header.stream() != streams.get(i).id()) {
                return false;
            }
        }
        return true;
    }
}

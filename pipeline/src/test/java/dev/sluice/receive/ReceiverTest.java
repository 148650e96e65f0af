// SPDX-License-Identifier: Apache-2.0
package dev.sluice.receive;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.device.Pattern;
import dev.sluice.wire.Framing;
import dev.sluice.wire.Greeting;
import dev.sluice.wire.Header;
import dev.sluice.wire.Place;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ReceiverTest {

    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final int FRAME_BYTES = 1000;
    private static final long IDENTITY = 7;

    @TempDir
    private Path folder;

    private static final class Stream {

        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private long identity = IDENTITY;

        /** Of another source, or of one that began anew. */
        Stream identity(long other) {
            identity = other;
            return this;
        }

        Stream header(int type, int flags, long payloadBytes, long sequence, long sourceOffset, long lostBytes) {
            byte[] header = new byte[Header.BYTES];
            new Header(MemorySegment.ofArray(header))
                    .encode(type, flags, 0, payloadBytes, sequence, 0, sourceOffset, lostBytes);
            return raw(header);
        }

        Stream raw(byte... more) {
            bytes.writeBytes(more);
            return this;
        }

        /** A frame of the source's bytes. */
        Stream frame(long sequence, long sourceOffset, long lostBytes, int count) {
            return header(Header.TYPE_FRAME, Header.FLAG_CONTIGUOUS, count, sequence, sourceOffset, lostBytes)
                    .raw(source(sourceOffset, count));
        }

        /** A frame with its checksum. */
        Stream checked(long sequence, long sourceOffset) {
            byte[] payload = source(sourceOffset, FRAME_BYTES);
            byte[] bytes = new byte[Header.BYTES];
            Header header = new Header(MemorySegment.ofArray(bytes));
            header.encode(Header.TYPE_FRAME, Header.FLAG_CONTIGUOUS, 0, FRAME_BYTES, sequence, 0, sourceOffset, 0);
            CRC32C crc = new CRC32C();
            crc.update(payload);
            header.checksum((int) crc.getValue());
            return raw(bytes).raw(payload);
        }

        Stream frames(int count) {
            for (int sequence = 0; sequence < count; sequence++) {
                frame(sequence, (long) sequence * FRAME_BYTES, 0, FRAME_BYTES);
            }
            return this;
        }

        Stream end(long sequence, long sourceOffset, long lostBytes) {
            return header(Header.TYPE_END, 0, 0, sequence, sourceOffset, lostBytes);
        }

        Stream bye() {
            return header(Header.TYPE_BYE, 0, 0, 0, 0, 0);
        }

        byte[] toArray() {
            return bytes.toByteArray();
        }

        Stream cut(int bytesLess) {
            return new Stream().raw(Arrays.copyOf(toArray(), bytes.size() - bytesLess));
        }

        Stream flip(int at) {
            byte[] flipped = toArray();
            flipped[at] ^= 1;
            return new Stream().raw(flipped);
        }
    }

    private static byte[] source(long position, int count) {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) {
            bytes[i] = (byte) (Pattern.word(position + i) >>> (((position + i) & 7) * 8));
        }
        return bytes;
    }

    private static Receiver.Options options(Framing framing) {
        return new Receiver.Options(framing, true, null, false);
    }

    /** What the receiver reports when each stream comes over a connection of its own. */
    private static Report receive(Receiver.Options options, Stream... streams) throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options)) {
            FutureTask<Report> report = new FutureTask<>(receiver::receive);
            Thread.ofPlatform().daemon().start(report);
            for (Stream stream : streams) {
                try (SocketChannel sender = SocketChannel.open(receiver.address())) {
                    if (options.framing() == Framing.SLUICE) {
                        sender.write(ByteBuffer.wrap(Greeting.hello(stream.identity)));
                    }
                    send(sender, stream);
                }
            }
            return report.get();
        }
    }

    /** A receiver that has seen enough hangs up; what it reports is what counts. */
    private static void send(SocketChannel sender, Stream stream) {
        ByteBuffer bytes = ByteBuffer.wrap(stream.toArray());
        try {
            while (bytes.hasRemaining()) {
                sender.write(bytes);
            }
            // What the receiver says is taken: who closes without having read it resets the connection.
            sender.shutdownOutput();
            ByteBuffer said = ByteBuffer.allocate(Header.BYTES);
            while (sender.read(said.clear()) >= 0) {
                // only that it is gone
            }
        } catch (IOException e) {
            assertThat(e).hasMessageMatching("Broken pipe|Connection reset.*");
        }
    }

    private static void assertRefused(Stream stream, String problem) throws Exception {
        Report report = receive(options(Framing.SLUICE), stream);
        assertThat(report.problem()).contains(problem).doesNotContain("\n");
        assertThat(report.exitCode()).isEqualTo(1);
    }

    @Test
    void aStreamThatEndsWithEndIsRight() throws Exception {
        Report report = receive(options(Framing.SLUICE), new Stream().frames(3).end(3, 3 * FRAME_BYTES, 0));
        assertThat(report.problem()).isEmpty();
        assertThat(report.exitCode()).isZero();
        assertThat(report.frames()).isEqualTo(3);
        assertThat(report.bytes()).isEqualTo(3 * FRAME_BYTES);
        assertThat(report.verifiedBytes()).isEqualTo(3 * FRAME_BYTES);
        assertThat(report.wrongBytes()).isZero();
        assertThat(report.lostBytes()).isZero();
        assertThat(report.skippedBytes()).isZero();
        assertThat(report.connections()).isEqualTo(1);
    }

    @Test
    void aStreamOfNothingButEndIsRight() throws Exception {
        assertThat(receive(options(Framing.SLUICE), new Stream().end(0, 0, 0)).exitCode())
                .isZero();
    }

    @Test
    void aFrameLargerThanTheReadBufferIsCheckedInPieces() throws Exception {
        int large = (5 << 20) + 3;
        Report report = receive(
                options(Framing.SLUICE),
                new Stream().frame(0, 0, 0, large).frame(1, large, 0, 9).end(2, large + 9, 0));
        assertThat(report.exitCode()).isZero();
        assertThat(report.verifiedBytes()).isEqualTo(large + 9);
    }

    @Test
    void lostAndSkippedBytesAreToldApart() throws Exception {
        Report report = receive(
                options(Framing.SLUICE),
                new Stream().frame(0, 0, 0, 8).frame(4, 108, 40, 8).end(6, 200, 30));
        assertThat(report.exitCode()).isZero();
        assertThat(report.lostBytes()).isEqualTo(70);
        assertThat(report.skippedBytes()).isEqualTo((100 - 40) + (84 - 30));
    }

    @Test
    void aWrongByteIsCountedAndFailsTheRun() throws Exception {
        Stream stream = new Stream().frames(2).end(2, 2 * FRAME_BYTES, 0);
        Report report = receive(options(Framing.SLUICE), stream.flip(Header.BYTES + 16));
        assertThat(report.problem()).isEmpty();
        assertThat(report.wrongBytes()).isEqualTo(8);
        assertThat(report.exitCode()).isEqualTo(1);
    }

    @Test
    void aPayloadCutBetweenWordsIsCheckedAndOneCutWithinThemIsNot() throws Exception {
        byte[] payload = ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(5)
                .putLong(9)
                .array();
        Stream stream = new Stream()
                .header(Header.TYPE_FRAME, Header.FLAG_WHOLE_WORDS, payload.length, 0, 40, 0)
                .raw(payload)
                .header(Header.TYPE_FRAME, 0, 3, 1, 80, 0)
                .raw((byte) 1, (byte) 2, (byte) 3)
                .end(2, 96, 0);
        Report report = receive(options(Framing.SLUICE), stream);
        assertThat(report.exitCode()).isZero();
        assertThat(report.verifiedBytes()).isEqualTo(payload.length);
        assertThat(report.uncheckedBytes()).isEqualTo(3);
    }

    @Test
    void anotherProtocolIsToldFromItsFirstBytes() throws Exception {
        assertRefused(new Stream().raw(new byte[100]), "bad magic 0x00000000");
    }

    @Test
    void aWrongCrcIsRefused() throws Exception {
        assertRefused(new Stream().frames(1).flip(20), "wrong header CRC");
    }

    @Test
    void anAbsurdLengthIsRefusedBeforeAnyOfItIsAwaited() throws Exception {
        assertRefused(
                new Stream().header(Header.TYPE_FRAME, 0, 0xffff_ffffL, 0, 0, 0), "absurd payload length 4294967295");
    }

    @Test
    void aHeaderCutShortIsAProblem() throws Exception {
        assertRefused(
                new Stream().frames(2).end(2, 2 * FRAME_BYTES, 0).cut(1),
                "the stream was cut off inside a header (63 of 64 bytes)");
    }

    @Test
    void aPayloadCutShortIsAProblem() throws Exception {
        assertRefused(
                new Stream().frames(2).cut(10), "the stream was cut off inside frame 1 (10 of 1000 bytes missing)");
        assertRefused(
                new Stream().frames(2).cut(FRAME_BYTES),
                "the stream was cut off inside frame 1 (1000 of 1000 bytes missing)");
    }

    @Test
    void aStreamWithoutEndIsAProblem() throws Exception {
        assertRefused(new Stream().frames(2), "the connection closed without an END after 2 frames");
        assertRefused(new Stream(), "the connection closed without an END after 0 frames");
    }

    @Test
    void aSequenceThatDoesNotRiseIsRefused() throws Exception {
        assertRefused(new Stream().frame(5, 0, 0, 8).frame(5, 8, 0, 8), "frame 5 came after frame 5");
        assertRefused(new Stream().frame(5, 0, 0, 8).frame(4, 8, 0, 8), "frame 4 came after frame 5");
        assertRefused(new Stream().frame(5, 0, 0, 8).end(5, 8, 0), "frame 5 came after frame 5");
    }

    @Test
    void aPositionThatGoesBackIsRefused() throws Exception {
        assertRefused(
                new Stream().frame(0, 0, 0, 16).frame(1, 8, 0, 16),
                "frame 1 starts at source position 8, but 16 was reached before");
    }

    @Test
    void aPositionThatGoesBackOverTheLastOneIsRefused() throws Exception {
        Stream stream = new Stream()
                .frame(0, Long.MAX_VALUE - 7, 0, 8)
                .frame(1, 8, 0, 16)
                .end(2, 24, 0);
        assertThat(receive(options(Framing.SLUICE), stream).exitCode()).isEqualTo(1);
    }

    @Test
    void anEndWithAPayloadIsRefused() throws Exception {
        assertRefused(
                new Stream().header(Header.TYPE_END, 0, 8, 0, 0, 0).raw(new byte[8]),
                "a header of type END with a payload of 8 bytes");
    }

    @Test
    void aByeBeforeTheEndIsRefused() throws Exception {
        assertRefused(new Stream().frames(2).bye(), "a BYE before the END of each stream");
    }

    @Test
    void aRawStreamEndsWithItsConnection() throws Exception {
        Report report = receive(options(Framing.RAW), new Stream().raw(source(0, 100_003)));
        assertThat(report.exitCode()).isZero();
        assertThat(report.bytes()).isEqualTo(100_003);
        assertThat(report.verifiedBytes()).isEqualTo(100_000);
        assertThat(report.uncheckedBytes()).isEqualTo(3);
        assertThat(report.frames()).isZero();
    }

    @Test
    void gapsOfARawStreamAreSkippedBytes() throws Exception {
        Report report =
                receive(options(Framing.RAW), new Stream().raw(source(0, 16)).raw(source(80, 16)));
        assertThat(report.exitCode()).isZero();
        assertThat(report.skippedBytes()).isEqualTo(64);
    }

    @Test
    void aRawStreamThatWasResetIsAProblem() throws Exception {
        try (Receiver receiver = new Receiver(ANY_PORT, options(Framing.RAW))) {
            FutureTask<Report> report = new FutureTask<>(receiver::receive);
            Thread.ofPlatform().daemon().start(report);
            SocketChannel sender = SocketChannel.open(receiver.address());
            sender.write(ByteBuffer.wrap(source(0, 80)));
            while (receiver.bytes() < 80) {
                Thread.onSpinWait();
            }
            sender.setOption(StandardSocketOptions.SO_LINGER, 0);
            sender.close();
            assertThat(report.get().problem()).isNotEmpty();
            assertThat(report.get().exitCode()).isEqualTo(1);
        }
    }

    private Report receiveAndRecord(Path file, Framing framing, Stream stream) throws Exception {
        return receive(new Receiver.Options(framing, false, file, false), stream);
    }

    @Test
    void aRawStreamIsRecordedOverWhatTheFileHeld() throws Exception {
        Path file = Files.write(folder.resolve("file"), new byte[100_000]);
        Report report = receiveAndRecord(file, Framing.RAW, new Stream().raw(source(8, 3)));
        assertThat(Files.readAllBytes(file)).isEqualTo(source(8, 3));
        assertThat(report.verified()).isFalse();
    }

    @Test
    void aRecordWhoseStreamsHadEndedIsReplacedByAnotherStream() throws Exception {
        Path file = folder.resolve("file");
        receiveAndRecord(file, Framing.SLUICE, new Stream().frames(9).end(9, 9 * FRAME_BYTES, 0));
        Report report = receiveAndRecord(
                file,
                Framing.SLUICE,
                new Stream().identity(IDENTITY + 1).frames(5).end(5, 5 * FRAME_BYTES, 0));
        assertThat(Files.readAllBytes(file)).isEqualTo(source(0, 5 * FRAME_BYTES));
        assertThat(report.frames()).isEqualTo(5);
    }

    @Test
    void aRecordWhoseStreamsHadEndedIsLeftToASenderThatDidNotHearOfIt() throws Exception {
        Path file = folder.resolve("file");
        receiveAndRecord(file, Framing.SLUICE, new Stream().frames(9).end(9, 9 * FRAME_BYTES, 0));
        Report report = receiveAndRecord(file, Framing.SLUICE, new Stream());
        assertThat(report.problem()).isEmpty();
        assertThat(report.frames()).isEqualTo(9);
        assertThat(Files.readAllBytes(file)).isEqualTo(source(0, 9 * FRAME_BYTES));
    }

    @Test
    void whoOnlySaysHelloTakesNobodysPlace() throws Exception {
        Report report = receive(
                reconnecting(null),
                new Stream().frames(3),
                new Stream().identity(IDENTITY + 1),
                new Stream()
                        .frame(3, 3 * FRAME_BYTES, 0, 8)
                        .end(4, 3 * FRAME_BYTES + 8, 0)
                        .bye());
        assertThat(report.problem()).isEmpty();
        assertThat(report.restarts()).isZero();
        assertThat(report.frames()).isEqualTo(4);
        assertThat(report.skippedBytes()).isZero();
    }

    @Test
    void aSourceThatBeganAnewIsCounted() throws Exception {
        Report report = receive(
                reconnecting(null),
                new Stream().frames(3),
                new Stream()
                        .identity(IDENTITY + 1)
                        .frames(2)
                        .end(2, 2 * FRAME_BYTES, 0)
                        .bye());
        assertThat(report.problem()).isEmpty();
        assertThat(report.restarts()).isEqualTo(1);
        assertThat(report.frames()).isEqualTo(5);
        assertThat(report.skippedBytes()).isZero();
    }

    @Test
    void aRecordThatWasCutOffIsGoneOnWith() throws Exception {
        Path file = folder.resolve("file");
        Report first =
                receiveAndRecord(file, Framing.SLUICE, new Stream().frames(3).cut(10));
        assertThat(first.frames()).isEqualTo(2);
        assertThat(Files.readAllBytes(file)).isEqualTo(source(0, 2 * FRAME_BYTES));
        Report second = receiveAndRecord(
                file,
                Framing.SLUICE,
                new Stream().frame(2, 2 * FRAME_BYTES, 0, 500).end(3, 2 * FRAME_BYTES + 500, 0));
        assertThat(second.problem()).isEmpty();
        assertThat(second.frames()).isEqualTo(3);
        assertThat(second.skippedBytes()).isZero();
        assertThat(Files.readAllBytes(file)).isEqualTo(source(0, 2 * FRAME_BYTES + 500));
    }

    @Test
    void whatWasWrittenBehindTheLastSyncedFrameIsCutOff() throws Exception {
        Path file = folder.resolve("file");
        receiveAndRecord(file, Framing.SLUICE, new Stream().frames(3).cut(10));
        Files.write(file, new byte[77], StandardOpenOption.APPEND);
        receiveAndRecord(file, Framing.SLUICE, new Stream().frame(2, 2 * FRAME_BYTES, 0, 8));
        assertThat(Files.readAllBytes(file)).isEqualTo(source(0, 2 * FRAME_BYTES + 8));
    }

    @Test
    void aReceiverThatDiedBeforeItSyncedAnythingBeginsAgain() throws Exception {
        Path file = folder.resolve("file");
        receiveAndRecord(file, Framing.SLUICE, new Stream());
        Files.write(file, new byte[77], StandardOpenOption.APPEND);
        Report report =
                receiveAndRecord(file, Framing.SLUICE, new Stream().frames(2).end(2, 2 * FRAME_BYTES, 0));
        assertThat(report.problem()).isEmpty();
        assertThat(Files.readAllBytes(file)).isEqualTo(source(0, 2 * FRAME_BYTES));
    }

    /** The receiver acknowledges before it waits, which it does within this frame. */
    @Test
    void aReceiverThatDiedInTheMiddleOfAFrameGoesOnBehindTheOneBefore() throws Exception {
        Path file = folder.resolve("file");
        Receiver dies = new Receiver(ANY_PORT, reconnecting(file));
        FutureTask<Report> report = new FutureTask<>(dies::receive);
        Thread.ofPlatform().daemon().start(report);
        try (SocketChannel sender = SocketChannel.open(dies.address())) {
            sender.write(ByteBuffer.wrap(Greeting.hello(IDENTITY)));
            sender.write(ByteBuffer.wrap(new Stream().frames(3).cut(10).toArray()));
            ByteBuffer said = ByteBuffer.allocate(2 * Header.BYTES);
            while (said.hasRemaining()) {
                sender.read(said); // a WELCOME and an ACK
            }
            dies.close();
        }
        report.get();
        receiveAndRecord(file, Framing.SLUICE, new Stream().frame(2, 2 * FRAME_BYTES, 0, 8));
        assertThat(Files.readAllBytes(file)).isEqualTo(source(0, 2 * FRAME_BYTES + 8));
    }

    @Test
    void aRecordThatIsNotAsItsPlaceSaysIsLeftAlone() throws Exception {
        Path file = folder.resolve("file");
        receiveAndRecord(file, Framing.SLUICE, new Stream().frames(3).cut(10));
        byte[] wrong = Files.readAllBytes(file);
        wrong[wrong.length - 1] ^= 1;
        Files.write(file, wrong);
        assertThatThrownBy(() -> receiveAndRecord(file, Framing.SLUICE, new Stream()))
                .hasMessage("cannot record to " + file + ": it is there, and file.place does not say how far it is "
                        + "whole; name another file, or remove it");
        assertThat(Files.readAllBytes(file)).isEqualTo(wrong);
    }

    @Test
    void aFileThatIsNoRecordIsLeftAlone() throws Exception {
        Path file = Files.write(folder.resolve("file"), new byte[100]);
        assertThatThrownBy(() -> receiveAndRecord(file, Framing.SLUICE, new Stream()))
                .hasMessageContaining("does not say how far it is whole");
        assertThat(file).hasSize(100);
    }

    @Test
    void aDamagedPlaceFallsBackToTheOneBefore() throws Exception {
        Path file = folder.resolve("file");
        receiveAndRecord(file, Framing.SLUICE, new Stream().frames(3).cut(10));
        receiveAndRecord(file, Framing.SLUICE, new Stream().frame(2, 2 * FRAME_BYTES, 0, 8));
        Path place = folder.resolve("file.place");
        byte[] slots = Files.readAllBytes(place);
        long first = ByteBuffer.wrap(slots).order(ByteOrder.LITTLE_ENDIAN).getLong(8);
        long second = ByteBuffer.wrap(slots).order(ByteOrder.LITTLE_ENDIAN).getLong(8192 + 8);
        slots[(first > second ? 0 : 8192) + 20] ^= 1;
        Files.write(place, slots);
        Report report = receiveAndRecord(file, Framing.SLUICE, new Stream());
        assertThat(report.frames()).isEqualTo(2);
        assertThat(file).hasSize(2 * FRAME_BYTES);
    }

    @Test
    void aWrongChecksumIsNotTakenAndTheFrameMayComeAgain() throws Exception {
        Path file = folder.resolve("file");
        Report report = receive(
                reconnecting(file),
                new Stream().checked(0, 0).checked(1, FRAME_BYTES).flip(2 * Header.BYTES + FRAME_BYTES + 8),
                new Stream().checked(1, FRAME_BYTES).end(2, 2 * FRAME_BYTES, 0).bye());
        assertThat(report.problem()).isEmpty();
        assertThat(report.corrupt()).isEqualTo(1);
        assertThat(report.frames()).isEqualTo(2);
        assertThat(report.wrongBytes()).isZero();
        assertThat(report.verifiedBytes()).isEqualTo(2 * FRAME_BYTES);
        assertThat(Files.readAllBytes(file)).isEqualTo(source(0, 2 * FRAME_BYTES));
    }

    @Test
    void aFileThatCannotBeWrittenIsNamedBeforeAnythingIsReceived() {
        Path missing = folder.resolve("no").resolve("file");
        assertThatThrownBy(() -> receiveAndRecord(missing, Framing.RAW, new Stream()))
                .isInstanceOf(IOException.class)
                .hasMessage("cannot record to " + missing + ": no such folder");
        assertThatThrownBy(() -> receiveAndRecord(folder, Framing.RAW, new Stream()))
                .hasMessage("cannot record to " + folder + ": Is a directory");
    }

    @Test
    void aFullDiskIsAProblem() throws Exception {
        Report report = receiveAndRecord(Path.of("/dev/full"), Framing.RAW, new Stream().raw(source(8, 3)));
        assertThat(report.problem()).contains("/dev/full").contains("No space left on device");
        assertThat(report.exitCode()).isEqualTo(1);
    }

    @Test
    void aPortInUseIsNamed() throws Exception {
        try (Receiver first = new Receiver(ANY_PORT, options(Framing.RAW))) {
            assertThatThrownBy(() -> new Receiver(first.address(), options(Framing.RAW)).close())
                    .isInstanceOf(IOException.class)
                    .hasMessage(
                            "cannot listen on %s:%d: Address already in use",
                            first.address().getHostString(), first.address().getPort());
        }
    }

    @Test
    void aNameThatIsNotKnownIsNamed() {
        InetSocketAddress unknown = InetSocketAddress.createUnresolved("no.such.host", 1);
        assertThatThrownBy(() -> new Receiver(unknown, options(Framing.RAW)).close())
                .hasMessage("cannot listen on no.such.host: the name is not known");
    }

    private static Receiver.Options reconnecting(Path record) {
        return new Receiver.Options(Framing.SLUICE, true, record, true);
    }

    private static final int LOST = 40;

    /** A second frame that begins after lost bytes and is cut off, and the same again on the next connection. */
    private static Stream[] brokenInsideTheSecondFrame() {
        Stream second = new Stream().frame(1, FRAME_BYTES + LOST, LOST, FRAME_BYTES);
        return new Stream[] {
            new Stream().frames(1).raw(second.cut(100).toArray()),
            new Stream().raw(second.toArray()).end(2, 2 * FRAME_BYTES + LOST, 0).bye()
        };
    }

    @Test
    void afterABrokenConnectionTheFrameMayBeginAgain() throws Exception {
        Report report = receive(reconnecting(null), brokenInsideTheSecondFrame());
        assertThat(report.problem()).isEmpty();
        assertThat(report.exitCode()).isZero();
        assertThat(report.connections()).isEqualTo(2);
        assertThat(report.frames()).isEqualTo(2);
        assertThat(report.skippedBytes()).isZero();
    }

    @Test
    void lossAnnouncedAgainAfterABrokenConnectionIsCountedOnce() throws Exception {
        assertThat(receive(reconnecting(null), brokenInsideTheSecondFrame()).lostBytes())
                .isEqualTo(LOST);
    }

    @Test
    void aFrameThatBeganAgainIsRecordedOnce() throws Exception {
        Path file = folder.resolve("file");
        receive(reconnecting(file), brokenInsideTheSecondFrame());
        assertThat(Files.size(file)).isEqualTo(2 * FRAME_BYTES);
    }

    @Test
    void whatIsCorruptIsMendedByTheNextConnection() throws Exception {
        Report report = receive(
                reconnecting(null),
                new Stream().frames(2).raw(new byte[64]),
                new Stream()
                        .frame(2, 2 * FRAME_BYTES, 0, 8)
                        .end(3, 2 * FRAME_BYTES + 8, 0)
                        .bye());
        assertThat(report.problem()).isEmpty();
        assertThat(report.corrupt()).isEqualTo(1);
        assertThat(report.frames()).isEqualTo(3);
        assertThat(report.wrongBytes()).isZero();
        assertThat(report.skippedBytes()).isZero();
    }

    @Test
    void aReportIsTextForPeopleAndJsonForPrograms() throws Exception {
        Report report = receive(options(Framing.SLUICE), new Stream().frames(2).end(2, 2 * FRAME_BYTES, 0));
        assertThat(report.text()).contains("2 frames, 2,000 bytes").contains("verified 2000 bytes, 0 wrong\n");
        assertThat(report.json())
                .doesNotContain("\n")
                .contains("\"bytes\":2000")
                .contains("\"problem\":\"\"");
    }

    @Test
    void lossThatCannotBeAddedUpIsTheLargestThereIs() throws Exception {
        long most = Long.MAX_VALUE - 100;
        Report report = receive(
                options(Framing.SLUICE),
                new Stream().frame(0, most, most, 0).frame(1, most, most, 0).end(2, most, 0));
        assertThat(report.problem()).isEmpty();
        assertThat(report.lostBytes()).isEqualTo(Long.MAX_VALUE);
        assertThat(report.skippedBytes()).isZero();
    }

    @Test
    void aSenderThatWantsToBeWaitedForLongerThanASocketWaitsIsWaitedForAsLongAsThat() throws Exception {
        byte[] hello = hello(Duration.ofDays(30));
        try (Receiver receiver = new Receiver(ANY_PORT, reconnecting(null))) {
            FutureTask<Report> report = new FutureTask<>(receiver::receive);
            Thread.ofPlatform().daemon().start(report);
            SocketChannel sender = SocketChannel.open(receiver.address());
            sender.write(ByteBuffer.wrap(hello));
            sender.write(ByteBuffer.wrap(new Stream().end(0, 0, 0).toArray()));
            ByteBuffer said = ByteBuffer.allocate(2 * Header.BYTES);
            while (said.hasRemaining()) {
                sender.read(said); // the WELCOME, and the ACK of the END, so that only the reset is new to it
            }
            sender.setOption(StandardSocketOptions.SO_LINGER, 0);
            sender.close();
            try (SocketChannel again = SocketChannel.open(receiver.address())) {
                again.write(ByteBuffer.wrap(hello));
                again.write(ByteBuffer.wrap(new Stream().bye().toArray()));
                assertThat(report.get().problem()).isEmpty();
                assertThat(report.get().connections()).isEqualTo(2);
            }
        }
    }

    private static byte[] hello(Duration silence) {
        byte[] hello = new byte[Header.BYTES];
        new Header(MemorySegment.ofArray(hello)).hello(0, 1, 0, IDENTITY, Place.START, silence);
        return hello;
    }

    /** Says all of it and hears the receiver out, to the acknowledgement of the END; then it is gone, and may not know. */
    private static void sayAll(SocketChannel sender, Duration silence) throws IOException {
        try (sender) {
            sender.write(ByteBuffer.wrap(hello(silence)));
            sender.write(ByteBuffer.wrap(
                    new Stream().frames(2).end(2, 2 * FRAME_BYTES, 0).toArray()));
            hear(sender, Header.TYPE_WELCOME, false);
            hear(sender, Header.TYPE_ACK, true);
        }
    }

    /** Takes what the receiver says until it is that. */
    private static void hear(SocketChannel from, int type, boolean finished) throws IOException {
        byte[] bytes = new byte[Header.BYTES];
        Header header = new Header(MemorySegment.ofArray(bytes));
        do {
            ByteBuffer said = ByteBuffer.wrap(bytes);
            while (said.hasRemaining()) {
                assertThat(from.read(said)).isPositive();
            }
        } while (header.type() != type || header.finished() != finished);
    }

    private static void askAgain(SocketChannel sender, Duration silence) throws IOException {
        try (sender) {
            sender.write(ByteBuffer.wrap(hello(silence)));
            hear(sender, Header.TYPE_WELCOME, true);
            sender.write(ByteBuffer.wrap(new Stream().bye().toArray()));
        }
    }

    @Test
    void aSenderThatDidNotSayByeMayAskAgainWhatCame() throws Exception {
        Duration longer = Duration.ofHours(1); // than this test would be waited for
        try (Receiver receiver = new Receiver(ANY_PORT, reconnecting(null))) {
            FutureTask<Report> report = new FutureTask<>(receiver::receive);
            Thread.ofPlatform().daemon().start(report);
            sayAll(SocketChannel.open(receiver.address()), longer);
            askAgain(SocketChannel.open(receiver.address()), longer);
            assertThat(report.get(1, TimeUnit.MINUTES).problem()).isEmpty();
            assertThat(report.get().connections()).isEqualTo(2);
            assertThat(report.get().frames()).isEqualTo(2);
        }
    }

    @Test
    void aSenderThatListensAndDidNotSayByeIsConnectedToAgain() throws Exception {
        Duration longer = Duration.ofHours(1);
        try (ServerSocketChannel sender = ServerSocketChannel.open().bind(ANY_PORT);
                Receiver receiver =
                        Receiver.connecting("127.0.0.1", sender.socket().getLocalPort(), reconnecting(null))) {
            FutureTask<Report> report = new FutureTask<>(receiver::receive);
            Thread.ofPlatform().daemon().start(report);
            sayAll(sender.accept(), longer);
            askAgain(sender.accept(), longer);
            assertThat(report.get(1, TimeUnit.MINUTES).problem()).isEmpty();
            assertThat(report.get().connections()).isEqualTo(2);
        }
    }

    @Test
    void aSenderThatListenedAndIsGoneIsNotWaitedFor() throws Exception {
        SocketChannel connection;
        Receiver receiver;
        FutureTask<Report> report;
        try (ServerSocketChannel sender = ServerSocketChannel.open().bind(ANY_PORT)) {
            int port = sender.socket().getLocalPort();
            receiver = Receiver.connecting("127.0.0.1", port, reconnecting(null));
            report = new FutureTask<>(receiver::receive);
            Thread.ofPlatform().daemon().start(report);
            connection = sender.accept();
        }
        try (receiver) {
            sayAll(connection, Duration.ofHours(1));
            assertThat(report.get(1, TimeUnit.MINUTES).problem()).isEmpty();
        }
    }

    @Test
    void whoeverElseComesWhileASenderIsWaitedForChangesNothing() throws Exception {
        Duration silence = Duration.ofMillis(500);
        try (Receiver receiver = new Receiver(ANY_PORT, reconnecting(null))) {
            FutureTask<Report> report = new FutureTask<>(receiver::receive);
            Thread.ofPlatform().daemon().start(report);
            sayAll(SocketChannel.open(receiver.address()), silence);
            try (SocketChannel stranger = SocketChannel.open(receiver.address())) {
                stranger.write(ByteBuffer.wrap(new byte[Header.BYTES]));
                stranger.shutdownOutput();
                assertThat(report.get(1, TimeUnit.MINUTES).problem()).isEmpty();
            }
            assertThat(report.get().exitCode()).isZero();
        }
    }

    /** A connection whose sender has room for one frame: it sends the next when it hears that this one is on the disk. */
    private static final class OneAtATime implements Incoming {

        private final Stream says = new Stream().raw(Greeting.hello(IDENTITY));
        private final List<Duration> waits = new ArrayList<>();
        private final int frames;
        private int said;
        private int allowed = Header.BYTES;
        private int sent;
        private boolean heard;

        OneAtATime(int frames) {
            this.frames = frames;
            says.frames(frames).end(frames, (long) frames * FRAME_BYTES, 0);
        }

        /** How long the receiver waited in vain after each frame before it said how far it was. */
        List<Duration> waits() {
            return waits;
        }

        @Override
        public boolean read(ByteBuffer into, BeforeWaiting waiting) throws IOException {
            if (said == allowed && sent > frames) {
                return false;
            }
            if (said == allowed) {
                heard = false;
                Duration waited = Duration.ZERO;
                for (Duration longest = waiting.longest(); !heard; longest = waiting.longest()) {
                    waited = waited.plus(longest);
                    LockSupport.parkNanos(longest.toNanos());
                }
                waits.add(waited);
                next();
            }
            int piece = Math.min(into.remaining(), allowed - said);
            into.put(says.toArray(), said, piece);
            said += piece;
            return piece > 0;
        }

        private void next() {
            allowed += Header.BYTES + (sent++ < frames ? FRAME_BYTES : 0);
        }

        @Override
        public void write(ByteBuffer bytes, Duration longest) {
            heard = true;
            bytes.position(bytes.limit());
            if (sent == 0) {
                next(); // it is welcome
            }
        }

        @Override
        public Object peer() {
            return "somebody";
        }

        @Override
        public String brokenBecause() {
            return "";
        }

        @Override
        public void breakOff(String because) {
            throw new AssertionError(because);
        }

        @Override
        public void interrupt() {}

        @Override
        public void close() {}
    }

    @Test
    void aSenderThatWaitsToHearOfItsFramesHearsAsSoonAsTheDiskAllows() throws Exception {
        OneAtATime sender = new OneAtATime(20);
        Path file = folder.resolve("file");
        try (Receiver receiver = new Receiver(ANY_PORT, new Receiver.Options(Framing.SLUICE, true, file, false))) {
            assertThat(receiver.receiveFrom(sender)).isEmpty();
        }
        assertThat(Files.size(file)).isEqualTo(20 * FRAME_BYTES);
        assertThat(sender.waits()).hasSize(20);
        assertThat(Collections.min(sender.waits())).isLessThan(Duration.ofMillis(25)); // a busy disk may take longer
    }

    /** A place file whose last slot has another number somewhere, and the right CRC. */
    private void assertNotGoneOnWith(int at, long value) throws Exception {
        Path file = folder.resolve("file");
        Path place = folder.resolve("file.place");
        Files.deleteIfExists(file);
        Files.deleteIfExists(place);
        receiveAndRecord(file, Framing.SLUICE, new Stream().frames(3).cut(10));
        byte[] bytes = Files.readAllBytes(place);
        ByteBuffer slots = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int slot = slots.getInt(0) == 0 ? 8192 : 0;
        Arrays.fill(bytes, 8192 - slot, Math.min(bytes.length, 8192 - slot + 8192), (byte) 0);
        int end = slot + 40 + 72;
        slots.putLong(slot + at, value);
        CRC32C crc = new CRC32C();
        crc.update(bytes, slot, end - slot);
        slots.putInt(end, (int) crc.getValue());
        Files.write(place, bytes);
        byte[] recorded = Files.readAllBytes(file);
        assertThatThrownBy(() -> receiveAndRecord(file, Framing.SLUICE, new Stream()))
                .hasMessageContaining("does not say how far it is whole");
        assertThat(Files.readAllBytes(file)).isEqualTo(recorded);
    }

    @Test
    void aPlaceThatNoReceiverWroteIsNotGoneOnWith() throws Exception {
        assertNotGoneOnWith(8, -1);
        assertNotGoneOnWith(8, Long.MAX_VALUE);
        assertNotGoneOnWith(16, -1);
        assertNotGoneOnWith(24, -1);
        for (int count = 0; count < 6; count++) {
            assertNotGoneOnWith(40 + 16 + count * Long.BYTES, Long.MIN_VALUE);
        }
    }
}

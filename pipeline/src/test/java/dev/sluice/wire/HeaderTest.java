// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.RandomCases;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

final class HeaderTest {

    private static final int CRC_AT = 60;
    private static final int ANY = -1;

    private final byte[] bytes = new byte[Header.BYTES];
    private final Header header = new Header(MemorySegment.ofArray(bytes));

    private void encodeSome() {
        header.encode(Header.TYPE_FRAME, Header.FLAG_CONTIGUOUS, 7, 4096, 3, 1_000, 8192, 512);
    }

    private void set(int at, int value) {
        bytes[at] = (byte) value;
    }

    /** As somebody would who knows the format and means harm. */
    private void rightCrc() {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, CRC_AT);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(CRC_AT, (int) crc.getValue());
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> header.validate(ANY))
                .isInstanceOf(WireException.class)
                .hasMessageContaining(message);
    }

    @Test
    void eachFieldIsLittleEndianAtItsPlace() {
        header.encode(
                Header.TYPE_END,
                0x1211,
                0x24232221,
                0x34333231L,
                0x4847464544434241L,
                0x5857565554535251L,
                0x6867666564636261L,
                0x7877767574737271L);
        String expected = "534c4345" + "02" + "02" + "1112" + "21222324" + "31323334" + "4142434445464748"
                + "5152535455565758" + "6162636465666768" + "7172737475767778" + "00".repeat(12);
        assertThat(HexFormat.of().formatHex(bytes, 0, CRC_AT)).isEqualTo(expected);
    }

    @Test
    void theCrcIsCrc32cOfWhatIsBeforeIt() {
        encodeSome();
        byte[] encoded = bytes.clone();
        rightCrc();
        assertThat(bytes).isEqualTo(encoded);
    }

    @Test
    void whatIsEncodedIsReadBack() {
        RandomCases.run(1000, random -> {
            try (Arena arena = Arena.ofConfined()) {
                Header written = new Header(arena.allocate(Header.BYTES, 8));
                long payload = random.nextLong(Header.MOST_PAYLOAD_BYTES + 1);
                int stream = random.nextInt();
                long sequence = random.nextLong(Long.MAX_VALUE);
                long time = random.nextLong();
                long offset = random.nextLong(Long.MAX_VALUE);
                long lost = random.nextLong(offset + 1);
                int flags = random.nextInt(4);
                written.encode(Header.TYPE_FRAME, flags, stream, payload, sequence, time, offset, lost);
                written.validate(ANY);
                assertThat(written.version()).isEqualTo(Header.VERSION);
                assertThat(written.type()).isEqualTo(Header.TYPE_FRAME);
                assertThat(written.contiguous()).isEqualTo((flags & Header.FLAG_CONTIGUOUS) != 0);
                assertThat(written.wholeWords()).isEqualTo((flags & Header.FLAG_WHOLE_WORDS) != 0);
                assertThat(written.stream()).isEqualTo(stream);
                assertThat(written.payloadBytes()).isEqualTo(payload);
                assertThat(written.sequence()).isEqualTo(sequence);
                assertThat(written.timeNanos()).isEqualTo(time);
                assertThat(written.sourceOffset()).isEqualTo(offset);
                assertThat(written.lostBytes()).isEqualTo(lost);
            }
        });
    }

    @Test
    void encodingLeavesNothingOfWhatWasThere() {
        encodeSome();
        byte[] clean = bytes.clone();
        Arrays.fill(bytes, (byte) 0xff);
        encodeSome();
        assertThat(bytes).isEqualTo(clean);
    }

    @Test
    void anyOneCorruptedByteIsRefused() {
        encodeSome();
        assertThatCode(() -> header.validate(ANY)).doesNotThrowAnyException();
        for (int at = 0; at < Header.BYTES; at++) {
            byte right = bytes[at];
            for (int wrong = 0; wrong < 256; wrong++) {
                if ((byte) wrong != right) {
                    set(at, wrong);
                    assertThatThrownBy(() -> header.validate(ANY))
                            .as("byte %d is %d", at, wrong)
                            .isInstanceOf(WireException.class);
                }
            }
            bytes[at] = right;
        }
    }

    @Test
    void badMagicSaysThatTheSenderSpeaksSomethingElse() {
        encodeSome();
        set(0, 'G');
        assertRefused("bad magic 0x45434c47 where a frame header (0x45434c53) should start");
        assertRefused("framing = sluice");
    }

    @Test
    void aCorruptHeaderNamesBothCrcs() {
        encodeSome();
        set(20, 99);
        assertThatThrownBy(() -> header.validate(ANY))
                .hasMessageMatching(
                        "wrong header CRC 0x[0-9a-f]{8} \\(computed 0x[0-9a-f]{8}\\): the header is corrupt");
    }

    @Test
    void anotherVersionWithTheRightCrcIsRefusedByItsNumber() {
        encodeSome();
        set(4, 200);
        rightCrc();
        assertRefused("version 200 of the wire format; this end speaks 2");
    }

    @Test
    void anUnknownTypeIsRefused() {
        encodeSome();
        for (int type : new int[] {0, 10, 255}) {
            set(5, type);
            rightCrc();
            assertRefused("unknown header type " + type);
        }
    }

    @Test
    void anAbsurdLengthIsRefused() {
        header.encode(Header.TYPE_FRAME, 0, 0, Header.MOST_PAYLOAD_BYTES + 1, 0, 0, 0, 0);
        assertRefused("absurd payload length 1073741825 (more than 1073741824)");
        header.encode(Header.TYPE_FRAME, 0, 0, 0xffff_ffffL, 0, 0, 0, 0);
        assertRefused("absurd payload length 4294967295");
    }

    @Test
    void anEndHasNoPayload() throws Exception {
        header.encode(Header.TYPE_END, 0, 0, 0, 5, 0, 100, 0);
        header.validate(ANY);
        header.encode(Header.TYPE_END, 0, 0, 8, 5, 0, 100, 0);
        assertRefused("a header of type END with a payload of 8 bytes");
    }

    @Test
    void anAbsurdPositionIsRefused() {
        header.encode(Header.TYPE_FRAME, 0, 0, 8, 0, 0, -1, 0);
        assertRefused("absurd position: source offset 18446744073709551615");
        header.encode(Header.TYPE_FRAME, 0, 0, 8, 0, 0, 0, -1);
        assertRefused("absurd position");
    }

    @Test
    void aPayloadThatWouldEndBeyondTheLastPositionIsRefused() {
        header.encode(Header.TYPE_FRAME, 0, 0, 8, 0, 0, Long.MAX_VALUE - 7, 0);
        assertRefused("absurd position");
    }

    @Test
    void aFrameBehindWhichNoneCouldComeIsRefused() throws Exception {
        header.encode(Header.TYPE_FRAME, 0, 0, 8, Long.MAX_VALUE, 0, 0, 0);
        assertRefused("absurd sequence 9223372036854775807");
        header.encode(Header.TYPE_FRAME, 0, 0, 8, Long.MAX_VALUE - 1, 0, 0, 0);
        header.validate(ANY);
        header.encode(Header.TYPE_END, 0, 0, 0, Long.MAX_VALUE, 0, 0, 0);
        header.validate(ANY);
    }

    @Test
    void aReceiverCanHaveBeenToldOfMoreLostBytesThanThereArePositions() throws Exception {
        header.progress(Header.TYPE_ACK, 0, new Progress(false, false, new Place(2, 200), 8, 300));
        header.validate(ANY);
    }
}

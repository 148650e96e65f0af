// SPDX-License-Identifier: Apache-2.0
package dev.sluice.filter;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigUtil;
import dev.sluice.RandomCases;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** In the cases, ^ stands before the place that is meant and is taken out. */
final class SourceLineTest {

    private static SourceLine line(String marked) {
        return new SourceLine(marked.replace("^", ""));
    }

    private static int marked(String marked) {
        return marked.codePointCount(0, marked.indexOf('^')) + 1;
    }

    private static List<String> keys(String dotted) {
        return List.of(dotted.split("\\.", -1));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "^type = x | type",
                "  ^type: x | type",
                "from = type, ^type = x | type",
                "type-of = x, ^type = x | type",
                "mytype = x, ^type = x | type",
                "sub_type = 1 ^type = x | type",
                "a { ^type = x } | type",
                "a{^type{b=1}} | type",
                "sluice.sources.^a.bufers = 4 | a",
                "sluice.sources.a.^bufers = 4 | bufers",
                "^bufers += 4 | bufers",
                "{\"from\": \"type\", ^\"type\": \"x\"} | type",
                "^\"two words\" = 1 | two words",
                "^\"a\\\"b\" = 1 | a\"b",
                "note = \"type = 3\", ^type = x | type",
                "note = \"\"\"type = 3\"\"\", ^type = x | type",
                "note = \"a \\\" type = 3\", ^type = x | type",
                "from = ^type # type = y | type",
                "from = ^type // type = y | type",
                "  ^from = a | type",
                "  ^from = types | type",
                "^# type = y | type",
                "path = ^${no.such.key} | ${no.such.key}",
                "path = ^/data/adc | /data/adc",
                "connect = ^\"host:1\" | host:1",
                "^größe = 1 | größe",
                "größe = 1, ^größer = 1 | größer",
                "😀 = 1, ^type = 1 | type",
                "^note = \"never closed type = 3 | type",
                "^note = \"\"\"never closed type = 3 | type",
                "^note = \"ends with \\ | type",
                "^} | type",
            })
    void aWordIsFoundAsAKeyOrElseAnywhere(String text, String word) {
        assertThat(line(text).word(word)).isEqualTo(marked(text));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "^type = x, from = b | sinks.out.type",
                "a { type = x }, b { ^type = y } | sources.b.type",
                "a { ^type = x }, b { type = y } | sources.a.type",
                "sinks { a { type = x } }, sources { a { ^type = y } } | sources.a.type",
                "sluice.sources.a.^type = y | sluice.sources.a.type",
                "a { from = b }, b { ^from = a } | filters.b.from",
                "length = 1, ^every = 2 | filters.every.every",
                "  ^a { from = b } | filters.b.from.gone",
                "^a = 1 | sources.a",
            })
    void aKeyIsFoundBehindTheKeysAroundIt(String text, String keys) {
        assertThat(line(text).key(keys(keys))).isEqualTo(marked(text));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "type = ^x | a.type | x",
                "type=^x | a.type | x",
                "type = ^\"x\" | a.type | x",
                "\"type\" : ^\"x\" | a.type | x",
                "b { type = x }, a { type = ^x } | a.type | x",
                "a { type = ^x }, b { type = x } | a.type | x",
                "type = ^type | a.type | type",
                "from = [a, ^b] | out.from | b",
                "from = [ab, \"a b\", ^b] | out.from | b",
                "from = ^a b c, other = 1 | out.from | a b c",
                "path = ^v1.5, other = 1 | out.path | v1.5",
                "path = ^v1.55, other = 1 | out.path | v1.5x",
                "path = ^\"a\\tb\" | out.path | x",
                "from += ^a | out.from | b",
                "from { ^a = 1 } | out.from | a",
                "from ^{ a = 1 } | out.from | b",
                "^from = | out.from | a",
                "^from = # a | out.from | a",
                "  ^a, b | out.from | a",
                "  ^c, d | out.from | a",
                "from = ^\"\" | out.from | ",
            })
    void aValueIsFoundBehindItsKeyOrIsWhereItBegins(String text, String keys, String value) {
        assertThat(line(text).value(keys(keys), value == null ? "" : value)).isEqualTo(marked(text));
    }

    @Test
    void aBlankLineBeginsAtItsFirstColumn() {
        assertThat(new SourceLine("").start()).isEqualTo(1);
        assertThat(new SourceLine(" \t\r").start()).isEqualTo(1);
        assertThat(new SourceLine("\t x").start()).isEqualTo(3);
    }

    @Test
    void onlyLineFeedsEndLines() {
        assertThat(SourceLine.all("a\r\nb\rc\n")).extracting(SourceLine::text).containsExactly("a\r", "b\rc", "");
    }

    /** Whatever a line holds, there is some place in it to point at. */
    @Test
    void anyTextHasAPlace() {
        RandomCases.run(2000, random -> {
            String alphabet = "ab \t\"\\{}[],:=+.#/$é😀\r";
            int[] points = random.ints(random.nextInt(20), 0, alphabet.codePointCount(0, alphabet.length()))
                    .map(i -> alphabet.codePointAt(alphabet.offsetByCodePoints(0, i)))
                    .toArray();
            String text = new String(points, 0, points.length);
            SourceLine line = new SourceLine(text);
            int most = points.length + 1;
            String word =
                    random.nextBoolean() ? "a" : text.substring(0, text.isEmpty() ? 0 : random.nextInt(text.length()));
            assertThat(line.start()).isBetween(1, most);
            assertThat(line.word(word)).isBetween(1, most);
            assertThat(line.key(List.of("b", word))).isBetween(1, most);
            assertThat(line.value(List.of("b", "a"), word)).isBetween(1, most);
        });
    }

    @Test
    void aQuotedKeyIsFoundWhateverItHolds() {
        RandomCases.run(500, random -> {
            StringBuilder key = new StringBuilder();
            for (int i = random.nextInt(1, 8); i > 0; i--) {
                key.append("a.=\"\\{} #é".charAt(random.nextInt(10)));
            }
            String before = "other = 1, ";
            SourceLine line = new SourceLine(before + ConfigUtil.quoteString(key.toString()) + " = 1");
            assertThat(line.key(List.of(key.toString()))).isEqualTo(before.length() + 1);
        });
    }
}

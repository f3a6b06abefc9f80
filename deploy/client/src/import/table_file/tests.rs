//! Encodings, separators, line numbers and workbooks.

use super::*;

fn table(bytes: &[u8]) -> TableFile {
    text::read(bytes).expect("a table")
}

fn lines(table: &TableFile) -> Vec<u64> {
    table.rows.iter().map(|row| row.line).collect()
}

fn cell(table: &TableFile, row: usize, column: usize) -> &str {
    let cells = table.rows[row].cells.as_ref().expect("cells");
    &cells[column]
}

#[test]
fn a_row_has_the_line_number_that_an_editor_shows() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["a,b", "1,2", "", "3,4", "\"5", "6\",7", "8,9", ""].join(end);
        let table = table(text.as_bytes());
        assert_eq!(lines(&table), [2, 4, 5, 7], "{end:?}");
        assert_eq!(cell(&table, 2, 0), "5\n6");
    }
}

#[test]
fn empty_lines_and_empty_rows_are_left_out_and_counted() {
    let table = table(b"\r\n\r\na,b,,\r\n,,,\r\n1,2,,\r\n\r\n3,,\r\n");
    assert_eq!(table.header, vec!["a", "b"]);
    assert_eq!(lines(&table), [5, 7]);
    assert_eq!(cell(&table, 1, 1), "");
}

#[test]
fn a_row_with_more_cells_than_columns_is_refused_alone() {
    let table = table(b"a,b\n1,2,3\n4,5\n");
    let why = table.rows[0].cells.as_ref().expect_err("three cells");
    assert!(
        why.contains("3 cells") && why.contains("2 columns"),
        "{why}"
    );
    assert_eq!(cell(&table, 1, 1), "5");
}

#[test]
fn a_column_without_a_name_is_refused() {
    let why = text::read(b"a,,c\n1,2,3\n").expect_err("no name");
    assert!(why.contains("column 2 has no name"), "{why}");
}

#[test]
fn the_separator_is_the_one_of_the_header() {
    for text in ["a;b\n1,5;2\n", "a\tb\n1,5\t2\n", "sep=;\na;b\n1,5;2\n"] {
        let table = table(text.as_bytes());
        assert_eq!(table.header, vec!["a", "b"], "{text:?}");
        assert_eq!(cell(&table, 0, 0), "1,5", "{text:?}");
        let lines_before = u64::from(text.starts_with("sep"));
        assert_eq!(table.rows[0].line, 2 + lines_before, "{text:?}");
    }
    assert_eq!(table(b"a\n1\n").header, vec!["a"]);
    assert_eq!(table(b"\"a;x\",b\n1,2\n").header, vec!["a;x", "b"]);
}

#[test]
fn the_encodings_that_excel_saves_are_read() {
    let text = "企业,电\r\n钢铁,度\r\n";
    let (gbk, ..) = encoding_rs::GBK.encode(text);
    let utf16 = text.replace(',', "\t");
    let mut little: Vec<u8> = vec![0xff, 0xfe];
    little.extend(utf16.encode_utf16().flat_map(u16::to_le_bytes));
    let mut big: Vec<u8> = vec![0xfe, 0xff];
    big.extend(utf16.encode_utf16().flat_map(u16::to_be_bytes));
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for bytes in [&gbk[..], &little, &big, &marked, text.as_bytes()] {
        let table = table(bytes);
        assert_eq!(table.header, vec!["企业", "电"]);
        assert_eq!(cell(&table, 0, 1), "度");
    }
}

#[test]
fn a_broken_byte_names_its_line() {
    let why = text::read(b"a,b\r\n\xe4\xbc\x81,2\r\n\xe4\xbc,3\r\n").expect_err("half a character");
    assert!(
        why.starts_with("line 3 ") && why.contains("CSV UTF-8"),
        "{why}"
    );
    let why = text::read(b"a,\xff\xff\n1,2\n").expect_err("no encoding");
    assert!(why.starts_with("line 1 "), "{why}");
    assert!(
        text::read(b"")
            .expect_err("nothing")
            .contains("names the columns")
    );
}

#[test]
fn a_workbook_is_read_with_its_row_numbers() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let date = rust_xlsxwriter::Format::new().set_num_format("yyyy/m/d");
    let write = |sheet: &mut rust_xlsxwriter::Worksheet| -> Result<(), rust_xlsxwriter::XlsxError> {
        sheet.write_row(2, 1, ["name", "amount", "on", "yes"])?;
        sheet.write(4, 1, "钢铁")?.write(4, 2, 1204.5)?;
        let day = rust_xlsxwriter::ExcelDateTime::from_ymd(2024, 1, 1)?;
        sheet
            .write_with_format(4, 3, &day, &date)?
            .write(4, 4, true)?;
        sheet.write(5, 2, 100_000_000_000_u64)?;
        Ok(())
    };
    write(sheet).expect("a sheet");
    let bytes = book.save_to_buffer().expect("a workbook");
    assert!(workbook::is_workbook(&bytes));
    let table = workbook::read(bytes).expect("a table");
    assert_eq!(lines(&table), [5, 6]);
    let whole = table.rows[0].cells.as_ref().expect("cells");
    assert_eq!(
        whole,
        &StringRecord::from(vec!["钢铁", "1204.5", "2024-01-01", "true"])
    );
    assert_eq!(cell(&table, 1, 1), "100000000000");
}
